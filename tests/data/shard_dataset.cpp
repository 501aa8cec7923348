#include "data/shards/shard_dataset.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "fmboost/core/error.h"

#include "data/joined_dataset.h"
#include "data/shards/shard_records.h"
#include "io/npy.h"
#include "support/compare.h"
#include "support/fake_autoencoder.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "train/notices.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::is_close;
using test::notices;
using test::TemporaryFolder;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

torch::Tensor latent(std::int64_t number, std::int64_t side = 6) {
  torch::manual_seed(static_cast<std::uint64_t>(number));
  return torch::randn({4, side, side});
}

void add_array(TarWriter& writer, const std::string& name, const torch::Tensor& array) {
  writer.add(name, write_npy(array));
}

// A shard of `count` pairs; the context of number n is latent(1000 + n).
void write_shard(const fs::path& file, int count, std::int64_t context_side = 6) {
  TarWriter writer(file);
  for (int i = 0; i < count; ++i) {
    const std::string key = file.stem().string() + "_" + std::to_string(i);
    add_array(writer, key + ".latent.npy", latent(i));
    add_array(writer, key + ".latent_lowres.npy", latent(1000 + i, context_side));
  }
  writer.commit();
}

std::string error_for(const fs::path& path, const ShardDatasetOptions& options = {}) {
  return thrown<Error>([&] { const ShardDataset dataset(path, options); });
}

TEST(ShardDataset, FolderIsReadInOrderOfNames) {
  const TemporaryFolder folder;
  write_shard(folder / "b.tar", 2);
  write_shard(folder / "a.tar", 3);
  write_shard(folder / ".a.tar.tmp-1-0", 1);
  std::ofstream(folder / "notes.txt") << "not a shard";
  const ShardDataset dataset(folder.path());
  ASSERT_EQ(dataset.size(), 5U);
  EXPECT_EQ(dataset.shard_count(), 2U);
  EXPECT_EQ(dataset.context_factor(), 1);
  EXPECT_EQ(dataset.get(0, 1).key, "a_0");
  EXPECT_EQ(dataset.get(4, 1).key, "b_1");
  EXPECT_TRUE(torch::equal(dataset.get(2, 1).latent, latent(2)));
  EXPECT_TRUE(torch::equal(dataset.get(4, 7).context, latent(1001)));
  EXPECT_FALSE(dataset.original(0, 1).defined());
}

TEST(ShardDataset, SingleArchiveIsRead) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 3);
  EXPECT_EQ(ShardDataset(folder / "a.tar").size(), 3U);
}

TEST(ShardDataset, StoredLatentsAreScaled) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 1);
  ShardDatasetOptions options;
  options.scale = 0.18215;
  options.shift = 0.5;
  const LatentPair pair = ShardDataset(folder.path(), options).get(0, 1);
  EXPECT_TRUE(is_close(pair.latent, (latent(0) - 0.5) * 0.18215, 1e-6));
  EXPECT_TRUE(is_close(pair.context, (latent(1000) - 0.5) * 0.18215, 1e-6));
}

TEST(ShardDataset, HalfPrecisionIsReadAsFloat) {
  const TemporaryFolder folder;
  TarWriter writer(folder / "a.tar");
  add_array(writer, "k.latent.npy", latent(0).to(torch::kFloat16));
  add_array(writer, "k.latent_lowres.npy", latent(1).to(torch::kFloat16));
  writer.commit();
  const LatentPair pair = ShardDataset(folder.path()).get(0, 1);
  EXPECT_EQ(pair.latent.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::equal(pair.latent, latent(0).to(torch::kFloat16).to(torch::kFloat32)));
}

TEST(ShardDataset, SmallerContextsAreAccepted) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 2, 3);
  const ShardDataset dataset(folder.path());
  EXPECT_EQ(dataset.context_factor(), 2);
  EXPECT_EQ(dataset.get(0, 1).context.sizes(), (at::IntArrayRef{4, 3, 3}));
}

TEST(ShardDataset, PairsAreFoundAmongOtherMembersInAnyOrder) {
  const TemporaryFolder folder;
  Image image;
  image.pixels = torch::rand({3, 16, 16}) * 2 - 1;
  TarWriter writer(folder / "a.tar");
  add_array(writer, "./x/key.latent_lowres.npy", latent(1));
  writer.add("./x/only_text.txt", as_bytes("a caption"));
  writer.add("./x/key.TXT", as_bytes("a caption"));
  writer.add("./x/key.png", encode_image(image, {}));
  add_array(writer, "./x/key.latent.npy", latent(0));
  writer.commit();
  const ShardDataset dataset(folder.path());
  ASSERT_EQ(dataset.size(), 1U);
  EXPECT_EQ(dataset.get(0, 1).key, "x/key");
  EXPECT_TRUE(is_close(dataset.original(0, 1), image.pixels, 5e-3));
}

TEST(ShardDataset, MissingPartIsNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_for(folder / "nothing"), HasSubstr("no shards at"));
  EXPECT_THAT(error_for(folder.path()), AllOf(HasSubstr("holds no shards"), HasSubstr("fmboost encode")));
  TarWriter writer(folder / "a.tar");
  add_array(writer, "k.latent.npy", latent(0));
  add_array(writer, "k.latent_lowres.npy", latent(1));
  add_array(writer, "lonely.latent.npy", latent(0));
  writer.commit();
  EXPECT_THAT(error_for(folder.path()), AllOf(HasSubstr("a.tar: lonely.latent.npy"), HasSubstr("no partner"),
                                              HasSubstr("'lonely.latent_lowres.npy' is missing")));
}

TEST(ShardDataset, OtherLayoutIsNamed) {
  const TemporaryFolder folder;
  TarWriter writer(folder / "a.tar");
  for (const char* name : {"0.jpg", "0.txt", "1.jpg", "1.txt"}) {
    writer.add(name, as_bytes("x"));
  }
  writer.commit();
  EXPECT_THAT(error_for(folder.path()),
              AllOf(HasSubstr("a.tar"), HasSubstr("KEY.latent.npy"), HasSubstr("'0.jpg', '0.txt', '1.jpg' and so on")));
}

TEST(ShardDataset, TruncatedAndDamagedShardsAreNamed) {
  const TemporaryFolder folder;
  write_shard(folder / "good.tar", 1);
  write_shard(folder / "short.tar", 2);
  fs::resize_file(folder / "short.tar", 2600);
  EXPECT_THAT(error_for(folder.path()),
              AllOf(HasSubstr("short.tar"), HasSubstr("truncated"), HasSubstr("short_0.latent_lowres.npy")));
  fs::remove(folder / "short.tar");
  TarWriter writer(folder / "bad.tar");
  writer.add("k.latent.npy", as_bytes("no array"));
  add_array(writer, "k.latent_lowres.npy", latent(1));
  writer.commit();
  EXPECT_THAT(error_for(folder.path()), AllOf(HasSubstr("bad.tar: k.latent.npy"), HasSubstr("not an npy array")));
}

TEST(ShardDataset, ShapesThatDoNotFitAreNamed) {
  const TemporaryFolder folder;
  const auto error_of = [&](const torch::Tensor& high, const torch::Tensor& low) {
    TarWriter writer(folder / "a.tar");
    add_array(writer, "k.latent.npy", high);
    add_array(writer, "k.latent_lowres.npy", low);
    writer.commit();
    ShardDatasetOptions options;
    options.latent_channels = 4;
    return error_for(folder.path(), options);
  };
  EXPECT_THAT(error_of(torch::zeros({16, 6, 6}), torch::zeros({16, 6, 6})),
              AllOf(HasSubstr("a.tar: k.latent.npy"), HasSubstr("[16, 6, 6]"), HasSubstr("[4, height, width]")));
  EXPECT_THAT(error_of(torch::zeros({4, 36}), torch::zeros({4, 6, 6})), HasSubstr("[4, 36]"));
  EXPECT_THAT(error_of(torch::zeros({4, 0, 6}), torch::zeros({4, 6, 6})), HasSubstr("[4, 0, 6]"));
  EXPECT_THAT(error_of(latent(0), torch::zeros({4, 6, 5})),
              AllOf(HasSubstr("k.latent_lowres.npy"), HasSubstr("[4, 6, 5]"), HasSubstr("does not fit")));
  EXPECT_THAT(error_of(latent(0), torch::zeros({4, 12, 12})), HasSubstr("does not fit"));
  EXPECT_THAT(error_of(latent(0), torch::zeros({4, 3, 2})), HasSubstr("does not fit"));
}

TEST(ShardDataset, SampleOfAnotherFactorIsNamed) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 1);
  write_shard(folder / "b.tar", 1, 3);
  EXPECT_THAT(error_for(folder.path()), AllOf(HasSubstr("b.tar: b_0.latent_lowres.npy"), HasSubstr("factor of 2")));
}

TEST(ShardDataset, NonFiniteNumbersAreNamed) {
  const TemporaryFolder folder;
  torch::Tensor broken = latent(0);
  broken[1][2][3] = std::numeric_limits<float>::quiet_NaN();
  TarWriter writer(folder / "a.tar");
  add_array(writer, "k.latent.npy", latent(0));
  add_array(writer, "k.latent_lowres.npy", broken);
  add_array(writer, "large.latent.npy", torch::full({4, 6, 6}, 3e38F));
  add_array(writer, "large.latent_lowres.npy", latent(0));
  writer.commit();
  const ShardDataset dataset(folder.path());
  EXPECT_THAT(thrown<Error>([&] { dataset.get(0, 1); }),
              AllOf(HasSubstr("a.tar: k.latent_lowres.npy"), HasSubstr("not finite")));
  EXPECT_NO_THROW(dataset.get(1, 1));  // a sum that overflows is no NaN
}

TEST(ShardDataset, DuplicateMemberIsNamed) {
  const TemporaryFolder folder;
  TarWriter writer(folder / "a.tar");
  add_array(writer, "k.latent.npy", latent(0));
  add_array(writer, "k.latent.npy", latent(0));
  writer.commit();
  EXPECT_THAT(error_for(folder.path()), AllOf(HasSubstr("a.tar"), HasSubstr("'k.latent.npy' twice")));
}

class ShardAutoencoder : public testing::Test {
 protected:
  void SetUp() override {
    write_shard(folder / "a.tar", 2);
    info.autoencoder_hash = std::string(64, 'b');
    info.bundle_name = "another bundle";
    options.autoencoder_hash = std::string(64, 'a');
  }
  void write_shard_with_json(const fs::path& file, const std::string& hash) {
    TarWriter writer(file);
    writer.add("k.json", as_bytes(R"({"autoencoder": ")" + hash + R"("})"));
    add_array(writer, "k.latent.npy", latent(0));
    add_array(writer, "k.latent_lowres.npy", latent(0));
    writer.commit();
  }

  TemporaryFolder folder;
  ShardSetInfo info;
  ShardDatasetOptions options;
};

TEST_F(ShardAutoencoder, OtherAutoencoderIsRefused) {
  write_or_match_shard_set(folder.path(), info);
  EXPECT_THAT(error_for(folder.path(), options),
              AllOf(HasSubstr("a.tar"), HasSubstr("another autoencoder (bbbbbbbbbb, of the bundle 'another bundle')"),
                    HasSubstr("(aaaaaaaaaa)"), HasSubstr("encode the images again")));
}

TEST_F(ShardAutoencoder, OtherAutoencoderIsAcceptedOnRequest) {
  write_or_match_shard_set(folder.path(), info);
  options.accept_other_autoencoder = true;
  EXPECT_THAT(notices([&] { EXPECT_EQ(ShardDataset(folder.path(), options).size(), 2U); }),
              HasSubstr("another autoencoder"));
}

TEST_F(ShardAutoencoder, SameAutoencoderIsAcceptedSilently) {
  info.autoencoder_hash = options.autoencoder_hash;
  write_or_match_shard_set(folder.path(), info);
  EXPECT_EQ(notices([&] { EXPECT_EQ(ShardDataset(folder.path(), options).info()->bundle_name, "another bundle"); }),
            "");
}

TEST_F(ShardAutoencoder, UnknownAutoencoderIsAcceptedWithANotice) {
  EXPECT_THAT(notices([&] { EXPECT_EQ(ShardDataset(folder.path(), options).size(), 2U); }),
              HasSubstr("do not name their autoencoder"));
}

TEST_F(ShardAutoencoder, SamplesNameTheirAutoencoder) {
  info.autoencoder_hash = options.autoencoder_hash;
  write_or_match_shard_set(folder.path(), info);
  write_shard_with_json(folder / "moved_here.tar", std::string(64, 'c'));
  EXPECT_THAT(error_for(folder.path(), options),
              AllOf(HasSubstr("moved_here.tar"), HasSubstr("(cccccccccc)"), Not(HasSubstr("another bundle"))));
  write_shard_with_json(folder / "moved_here.tar", options.autoencoder_hash);
  EXPECT_EQ(ShardDataset(folder.path(), options).size(), 3U);
}

TEST_F(ShardAutoencoder, AutoencodersAreComparedByTheirEncoder) {
  AutoencoderEntry entry = test::FakeAutoencoder::entry();
  const auto from_entry = ShardDatasetOptions::for_autoencoder(entry);
  EXPECT_EQ(from_entry.autoencoder_hash, std::string(64, 'a'));
  EXPECT_EQ(from_entry.scale, 0.5);
  EXPECT_EQ(from_entry.shift, 0.25);
  EXPECT_EQ(from_entry.latent_channels, 4);
  entry.decoder.sha256 = "another";
  EXPECT_EQ(latent_space_hash(entry), from_entry.autoencoder_hash);
}

TEST(ShardSetInfo, DamagedAndNewerFilesAreNamed) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 1);
  const auto error_with = [&](const std::string& text) {
    write_file_atomically(folder / "dataset.json", as_bytes(text));
    return error_for(folder.path());
  };
  EXPECT_THAT(error_with("{"), AllOf(HasSubstr("dataset.json"), HasSubstr("not valid JSON")));
  EXPECT_THAT(error_with("[1]"), HasSubstr("dataset.json"));
  EXPECT_THAT(error_with(R"({"format": "other", "version": 1})"), HasSubstr("was not written by fmboost"));
  EXPECT_THAT(error_with(R"({"format": "fmboost-latents", "version": 2})"), HasSubstr("newer fmboost"));
  EXPECT_THAT(error_with(R"({"format": "fmboost-latents", "version": 1})"),
              AllOf(HasSubstr("dataset.json', bundle"), HasSubstr("found nothing")));
}

TEST(ShardDataset, ThreadsGetTheSamePairs) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 16);
  const ShardDataset dataset(folder.path());
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < dataset.size(); ++i) {
        right += torch::equal(dataset.get(i, 0).latent.sum(), dataset.get(i, 1).latent.sum()) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 64);
}

TEST(JoinedDataset, PairsAreConcatenated) {
  const TemporaryFolder folder;
  write_shard(folder / "a.tar", 2);
  write_shard(folder / "b.tar", 3);
  const JoinedDataset joined(
      {std::make_shared<ShardDataset>(folder / "a.tar"), std::make_shared<ShardDataset>(folder / "b.tar")});
  ASSERT_EQ(joined.size(), 5U);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < joined.size(); ++i) {
    keys.push_back(joined.get(i, 0).key);
  }
  EXPECT_THAT(keys, testing::ElementsAre(testing::EndsWith("a_0"), testing::EndsWith("a_1"), testing::EndsWith("b_0"),
                                         testing::EndsWith("b_1"), testing::EndsWith("b_2")));
  EXPECT_TRUE(torch::equal(joined.get(4, 0).latent, latent(2)));
  EXPECT_THAT(thrown<Error>([&] { joined.get(5, 0); }), AllOf(HasSubstr("5"), HasSubstr("among 5")));
  EXPECT_EQ(JoinedDataset({}).size(), 0U);
}

}  // namespace
}  // namespace fmboost
