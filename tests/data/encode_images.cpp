#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <sys/resource.h>

#include "fmboost/core/error.h"

#include "data/images/image_dataset.h"
#include "data/shards/encode_run.h"
#include "data/shards/shard_dataset.h"
#include "support/compare.h"
#include "support/fake_autoencoder.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::FakeAutoencoder;
using test::is_close;
using test::TemporaryFolder;
using test::thrown;
using test::write_image;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text_file(entry.path());
  }
  return files;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& [name, content] : contents(folder)) {
    names.push_back(name);
  }
  return names;
}

class EncodeImages : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) {
      write_image(folder / "photos" / (i % 2 == 0 ? "" : "more") / (std::to_string(i) + ".png"), 48 + i, 40, 10 + i);
    }
    options.crop.low = 16;
    options.crop.high = 32;
    options.crop.crops = 2;
    options.crop.flip = true;
    options.samples_per_shard = 4;
    options.batch_size = 3;
    options.stored = torch::kFloat32;
  }
  EncodeProgress run(const fs::path& output, const EncodeObserver& observer = {},
                     Upsampling upsampling = Upsampling::pixel) const {
    return encode_images(folder / "photos", folder / output, *FakeAutoencoder::encoder(upsampling),
                         {"fake", std::string(64, 'f')}, options, observer);
  }

  TemporaryFolder folder;
  EncodeImagesOptions options;
};

TEST_F(EncodeImages, ShardsHoldAllSquaresOfAllImages) {
  const EncodeProgress end = run("out");
  EXPECT_EQ(end.images, 5);
  EXPECT_EQ(end.images_done, 5);
  EXPECT_EQ(end.samples, 10);
  EXPECT_EQ(end.failed, 0);
  EXPECT_EQ(end.shards, 3);
  EXPECT_THAT(names_in(folder / "out"),
              ElementsAre("dataset.json", "shard-000000.json", "shard-000000.tar", "shard-000001.json",
                          "shard-000001.tar", "shard-000002.json", "shard-000002.tar"));
  const ShardDataset dataset(folder / "out", ShardDatasetOptions::for_autoencoder(FakeAutoencoder::entry()));
  ASSERT_EQ(dataset.size(), 10U);
  EXPECT_EQ(dataset.get(3, 0).key, "00000001_1");
  EXPECT_EQ(dataset.get(9, 0).key, "00000004_1");
  EXPECT_EQ(dataset.info()->bundle_hash, std::string(64, 'f'));
  EXPECT_EQ(dataset.info()->images, 5);
  EXPECT_EQ(dataset.info()->shards, 3);
}

TEST_F(EncodeImages, StoredPairsEqualThoseOfImageDataset) {
  run("out");
  const ShardDataset stored(folder / "out", ShardDatasetOptions::for_autoencoder(FakeAutoencoder::entry()));
  ImageDatasetOptions on_the_fly;
  on_the_fly.crop = options.crop;
  const ImageDataset dataset(folder / "photos", FakeAutoencoder::encoder(), on_the_fly);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const LatentPair expected = dataset.get(i / 2, i % 2);
    EXPECT_TRUE(is_close(stored.get(i, 0).latent, expected.latent, 1e-5)) << i;
    EXPECT_TRUE(is_close(stored.get(i, 0).context, expected.context, 1e-5)) << i;
  }
}

TEST_F(EncodeImages, LargeSquaresComeFromTheTargets) {
  for (int i = 0; i < 5; ++i) {
    write_image(folder / "targets" / (i % 2 == 0 ? "" : "more") / (std::to_string(i) + ".webp"), 48 + i, 40, 90 + i);
  }
  run("plain");
  options.targets = folder / "targets";
  run("out");
  const ShardDataset plain(folder / "plain");
  const ShardDataset dataset(folder / "out");
  ASSERT_EQ(dataset.size(), plain.size());
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    EXPECT_TRUE(torch::equal(dataset.get(i, 0).context, plain.get(i, 0).context)) << i;
    EXPECT_FALSE(is_close(dataset.get(i, 0).latent, plain.get(i, 0).latent, 1e-2)) << i;
  }
  EXPECT_THAT(thrown<Error>([&] { options.targets.clear(), run("out"); }), HasSubstr("targets_hash"));
}

TEST_F(EncodeImages, TargetsAreCutAtThePlacesOfTheirImages) {
  run("plain");
  options.targets = folder / "photos";
  run("out");
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        torch::equal(ShardDataset(folder / "out").get(i, 0).latent, ShardDataset(folder / "plain").get(i, 0).latent));
  }
}

TEST_F(EncodeImages, TargetsMustExistAndHaveTheSizeOfTheirImages) {
  write_image(folder / "targets" / "0.png", 48, 40, 1);
  options.targets = folder / "targets";
  EXPECT_THAT(thrown<UsageError>([&] { run("out"); }), HasSubstr("'2.png' has no target"));
  for (int i = 0; i < 5; ++i) {
    write_image(folder / "targets" / (i % 2 == 0 ? "" : "more") / (std::to_string(i) + ".png"), 60, 40, 1);
  }
  const EncodeProgress end = run("sizes");
  EXPECT_EQ(end.failed, 5);
}

TEST_F(EncodeImages, LatentSpaceUpsamplingStoresSmallLatents) {
  run("out", {}, Upsampling::latent);
  const ShardDataset dataset(folder / "out");
  EXPECT_EQ(dataset.context_factor(), 2);
  EXPECT_EQ(dataset.info()->upsampling, "latent");
}

TEST_F(EncodeImages, HalfPrecisionAndImagesAreStored) {
  options.stored = torch::kFloat16;
  options.keep_images = true;
  run("half");
  options.stored = torch::kFloat32;
  run("full");
  const ShardDataset half(folder / "half");
  const ShardDataset full(folder / "full");
  ImageDatasetOptions on_the_fly;
  on_the_fly.crop = options.crop;
  const ImageDataset dataset(folder / "photos", FakeAutoencoder::encoder(), on_the_fly);
  for (std::size_t i = 0; i < full.size(); ++i) {
    EXPECT_TRUE(is_close(half.get(i, 0).latent, full.get(i, 0).latent, 1e-3));
    EXPECT_FALSE(torch::equal(half.get(i, 0).latent, full.get(i, 0).latent));
    EXPECT_TRUE(is_close(full.original(i, 0), dataset.original(i / 2, i % 2), 0.35)) << "JPEG of noise";
  }
}

TEST_F(EncodeImages, NumberOfThreadsDoesNotChangeTheResult) {
  options.num_workers = 0;
  run("a");
  for (const int num_workers : {1, 4}) {
    options.num_workers = num_workers;
    run("b" + std::to_string(num_workers));
    EXPECT_EQ(contents(folder / "a"), contents(folder / ("b" + std::to_string(num_workers))));
  }
}

TEST_F(EncodeImages, InterruptedRunContinuesWithTheSameResult) {
  run("whole");
  int seen = 0;
  EncodeObserver stop;
  stop.progress = [&](const EncodeProgress&) {
    if (++seen == 5) {  // in the second shard
      throw Error("the power failed");
    }
  };
  EXPECT_THROW(run("cut", stop), Error);
  EXPECT_THAT(names_in(folder / "cut"), ElementsAre("dataset.json", "shard-000000.json", "shard-000000.tar"));
  // The leftovers of a killed process: a temporary file, and an archive without a record.
  std::ofstream(folder / "cut" / ".shard-000001.tar.tmp-99-0") << "half";
  fs::copy_file(folder / "whole" / "shard-000002.tar", folder / "cut" / "shard-000002.tar");
  const auto first_written = fs::last_write_time(folder / "cut" / "shard-000000.tar");
  std::vector<std::string> made;
  int kept = 0;
  EncodeObserver observer;
  observer.shard_done = [&](const ShardRecord& record, bool was_there) {
    was_there ? static_cast<void>(++kept) : made.push_back(record.file);
  };
  const EncodeProgress end = run("cut", observer);
  EXPECT_EQ(kept, 1);
  EXPECT_THAT(made, ElementsAre("shard-000001.tar", "shard-000002.tar"));
  EXPECT_EQ(end.samples, 10);
  EXPECT_EQ(end.images_now, 3);
  EXPECT_EQ(fs::last_write_time(folder / "cut" / "shard-000000.tar"), first_written);
  EXPECT_EQ(contents(folder / "cut"), contents(folder / "whole"));
}

TEST_F(EncodeImages, TruncatedOrMissingShardsAreMadeAgain) {
  run("out");
  const auto whole = contents(folder / "out");
  fs::resize_file(folder / "out" / "shard-000000.tar", 4096);
  fs::remove(folder / "out" / "shard-000002.tar");
  const EncodeProgress end = run("out");
  EXPECT_EQ(end.images_now, 3);
  EXPECT_EQ(contents(folder / "out"), whole);
}

TEST_F(EncodeImages, SlicesTogetherMakeAllShards) {
  run("whole");
  options.slices = 2;
  for (const std::size_t slice : {1U, 0U}) {
    options.slice = slice;
    const EncodeProgress end = run("shared");
    EXPECT_EQ(end.shards, slice == 0 ? 2 : 1);
    EXPECT_EQ(end.images, slice == 0 ? 3 : 2);
  }
  EXPECT_EQ(contents(folder / "shared"), contents(folder / "whole"));
}

TEST_F(EncodeImages, FolderWithOtherSettingsIsRefused) {
  run("out");
  const auto before = contents(folder / "out");
  options.crop.seed = 7;
  options.crop.high = 40;
  options.crop.low = 20;
  EXPECT_THAT(thrown<Error>([&] { run("out"); }), AllOf(HasSubstr("other settings"), HasSubstr("seed was 42 and is 7"),
                                                        HasSubstr("high was 32 and is 40")));
  options.crop = {.low = 16, .high = 32, .crops = 2, .flip = true};
  write_image(folder / "photos" / "new.png", 40, 40, 1);
  EXPECT_THAT(thrown<Error>([&] { run("out"); }), HasSubstr("images was 5 and is 6"));
  EXPECT_EQ(contents(folder / "out"), before);
}

TEST_F(EncodeImages, UnusableImagesAreReportedAndLeftOut) {
  std::ofstream(folder / "photos" / "0a_bad.jpg") << "no image";
  write_image(folder / "photos" / "0b_small.png", 31, 64, 3);
  options.crop.crops = 20;  // more than fit into one task, but reported once
  options.samples_per_shard = 60;
  std::vector<std::string> reasons;
  EncodeObserver observer;
  observer.failed = [&](const FailedImage& failure) { reasons.push_back(failure.file + ": " + failure.reason); };
  const EncodeProgress end = run("out", observer);
  EXPECT_EQ(end.failed, 2);
  EXPECT_EQ(end.samples, 100);
  EXPECT_THAT(reasons, ElementsAre(AllOf(HasSubstr("0a_bad.jpg: "), HasSubstr("photos/0a_bad.jpg")),
                                   AllOf(HasSubstr("0b_small.png: "), HasSubstr("too small"), HasSubstr("31x64"))));
  EXPECT_EQ(ShardDataset(folder / "out").size(), 100U);
  reasons.clear();
  EXPECT_EQ(run("out", observer).failed, 2);  // a complete folder reports them again
  EXPECT_EQ(reasons.size(), 2U);
}

TEST_F(EncodeImages, NoUsableImageWritesNoArchive) {
  fs::create_directories(folder / "none");
  std::ofstream(folder / "none" / "bad.png") << "no image";
  const EncodeProgress end = encode_images(folder / "none", folder / "out", *FakeAutoencoder::encoder(), {}, options);
  EXPECT_EQ(end.samples, 0);
  EXPECT_EQ(end.failed, 1);
  EXPECT_THAT(names_in(folder / "out"), ElementsAre("dataset.json", "shard-000000.json"));
}

TEST_F(EncodeImages, FolderWithoutImagesIsRefused) {
  fs::create_directories(folder / "none" / ".hidden");
  std::ofstream(folder / "none" / "notes.txt") << "text";
  write_image(folder / "none" / ".hidden" / "a.png", 40, 40, 1);
  EXPECT_THAT(thrown<UsageError>(
                  [&] { encode_images(folder / "none", folder / "out", *FakeAutoencoder::encoder(), {}, options); }),
              HasSubstr("no images in"));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST_F(EncodeImages, FullDiskLeavesNoIncompleteShard) {
  options.samples_per_shard = 1000;
  options.crop.crops = 60;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{200'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = thrown<Error>([&] { run("out"); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, AllOf(HasSubstr("shard-000000.tar"), HasSubstr("File too large")));
  EXPECT_THAT(names_in(folder / "out"), ElementsAre("dataset.json"));
}

TEST_F(EncodeImages, InvalidOptionsAreRefused) {
  const auto message = [&](auto change) {
    EncodeImagesOptions bad = options;
    change(bad);
    return thrown<UsageError>([&] { bad.check(); });
  };
  EXPECT_THAT(message([](auto& o) { o.stored = torch::kBFloat16; }), HasSubstr("bfloat16"));
  EXPECT_THAT(message([](auto& o) { o.batch_size = 0; }), HasSubstr("`batch_size`"));
  EXPECT_THAT(message([](auto& o) { o.samples_per_shard = 0; }), HasSubstr("`samples_per_shard`"));
  EXPECT_THAT(message([](auto& o) { o.num_workers = 1000; }), HasSubstr("`num_workers`"));
  EXPECT_THAT(message([](auto& o) { o.jpeg_quality = 0; }), HasSubstr("`quality`"));
  EXPECT_THAT(message([](auto& o) { o.slice = 1; }), HasSubstr("slice 1"));
  EXPECT_THAT(message([](auto& o) { o.crop.crops = 0; }), HasSubstr("`crops`"));
}

}  // namespace
}  // namespace fmboost
