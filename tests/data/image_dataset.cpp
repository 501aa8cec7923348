#include "data/images/image_dataset.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/fake_autoencoder.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "train/notices.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::FakeAutoencoder;
using test::is_close;
using test::notices;
using test::TemporaryFolder;
using test::thrown;
using test::write_image;
using testing::AllOf;
using testing::HasSubstr;

ImageDatasetOptions small_options(std::int64_t crops = 3) {
  ImageDatasetOptions options;
  options.crop.low = 16;
  options.crop.high = 32;
  options.crop.crops = crops;
  options.crop.flip = true;
  return options;
}

class ImageDatasetTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      pixels.push_back(write_image(folder / "photos" / (std::to_string(i) + ".png"), 90 + i, 70, 100 + i));
    }
    FakeAutoencoder::calls = 0;
  }
  ImageDataset open(const ImageDatasetOptions& options, Upsampling upsampling = Upsampling::pixel) const {
    return {folder / "photos", FakeAutoencoder::encoder(upsampling), options};
  }

  TemporaryFolder folder;
  std::vector<torch::Tensor> pixels;
};

TEST_F(ImageDatasetTest, PairIsTheScaledLatentsOfASquareAndItsSmallVersion) {
  const ImageDataset dataset = open(small_options());
  ASSERT_EQ(dataset.size(), 3U);
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const LatentPair pair = dataset.get(1, seed);
    const torch::Tensor high = dataset.original(1, seed).unsqueeze(0);
    const torch::Tensor low = at::avg_pool2d(high, {2, 2});
    const auto scaled = [](const torch::Tensor& x) { return (FakeAutoencoder::mode(x)[0] - 0.25) * 0.5; };
    EXPECT_TRUE(is_close(pair.latent, scaled(high), 1e-5));
    EXPECT_TRUE(is_close(pair.context, scaled(upsample_bilinear(low, 32, 32)), 1e-5));
    EXPECT_EQ(pair.latent.sizes(), (at::IntArrayRef{4, 4, 4}));
  }
}

TEST_F(ImageDatasetTest, LatentSpaceUpsamplingGivesSmallLatents) {
  const ImageDataset dataset = open(small_options(), Upsampling::latent);
  const torch::Tensor low = at::avg_pool2d(dataset.original(0, 2).unsqueeze(0), {2, 2});
  EXPECT_TRUE(is_close(dataset.get(0, 2).context, (FakeAutoencoder::mode(low)[0] - 0.25) * 0.5, 1e-5));
  EXPECT_THROW(FakeAutoencoder::encoder(Upsampling::identity), UsageError);
}

TEST_F(ImageDatasetTest, NumberOfDifferentCropsIsTheOptions) {
  const ImageDataset dataset = open(small_options(3));
  std::set<float> sums;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const torch::Tensor latent = dataset.get(0, seed).latent;
    sums.insert((latent * torch::arange(latent.numel()).view_as(latent)).sum().item<float>());
  }
  EXPECT_EQ(sums.size(), 3U);
  EXPECT_TRUE(torch::equal(dataset.get(0, 7).latent, dataset.get(0, 7).latent));
}

TEST_F(ImageDatasetTest, MemoryCacheEncodesOnce) {
  const ImageDataset dataset = open(small_options(2));
  std::vector<LatentPair> first;
  for (std::uint64_t seed = 0; seed < 2; ++seed) {
    first.push_back(dataset.get(0, seed));
  }
  EXPECT_EQ(FakeAutoencoder::calls, 4);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_TRUE(torch::equal(dataset.get(0, seed).context, first[seed % 2].context));
  }
  EXPECT_EQ(FakeAutoencoder::calls, 4);
}

TEST_F(ImageDatasetTest, FullCacheEncodesAgain) {
  ImageDatasetOptions options = small_options(2);
  options.cache.memory_limit = 2 * 4 * 4 * 4 * 4;  // one pair
  const ImageDataset dataset = open(options);
  for (int round = 0; round < 3; ++round) {
    dataset.get(0, 0);
    dataset.get(0, 1);
  }
  EXPECT_EQ(FakeAutoencoder::calls, 2 * (1 + 3));
}

TEST_F(ImageDatasetTest, DiskCacheIsKeyedByContent) {
  ImageDatasetOptions options = small_options(1);
  options.cache.folder = folder / "cache";
  const LatentPair first = open(options).get(0, 0);
  EXPECT_EQ(FakeAutoencoder::calls, 2);
  fs::rename(folder / "photos" / "0.png", folder / "photos" / "renamed.png");
  EXPECT_TRUE(torch::equal(open(options).get(2, 0).latent, first.latent));
  EXPECT_EQ(FakeAutoencoder::calls, 2);
  write_image(folder / "photos" / "renamed.png", 90, 70, 999);
  EXPECT_FALSE(torch::equal(open(options).get(2, 0).latent, first.latent));
  EXPECT_EQ(FakeAutoencoder::calls, 4);
  options.crop.low = 8;
  open(options).get(2, 0);
  EXPECT_EQ(FakeAutoencoder::calls, 6);
}

TEST_F(ImageDatasetTest, DamagedCacheEntryIsEncodedAgain) {
  ImageDatasetOptions options = small_options(1);
  options.cache.folder = folder / "cache";
  const LatentPair first = open(options).get(0, 0);
  for (const auto& entry : fs::recursive_directory_iterator(folder / "cache")) {
    if (entry.is_regular_file()) {
      fs::resize_file(entry.path(), 20);
    }
  }
  const std::string said = notices([&] { EXPECT_TRUE(torch::equal(open(options).get(0, 0).latent, first.latent)); });
  EXPECT_THAT(said, HasSubstr("encoded again"));
  EXPECT_EQ(FakeAutoencoder::calls, 4);
}

TEST_F(ImageDatasetTest, UnwritableCacheIsIgnored) {
  std::ofstream(folder / "a_file") << "in the way";
  ImageDatasetOptions options = small_options(1);
  options.cache.folder = folder / "a_file" / "cache";
  const std::string said = notices([&] {
    const ImageDataset dataset = open(options);
    dataset.get(0, 0);
    dataset.get(1, 0);
  });
  EXPECT_THAT(said, HasSubstr("not cached"));
  EXPECT_EQ(said.find("not cached"), said.rfind("not cached"));
}

TEST_F(ImageDatasetTest, UnusableImagesAreReportedOnceAndReplaced) {
  std::ofstream(folder / "photos" / "00_bad.png") << "no image";
  write_image(folder / "photos" / "00_small.png", 31, 100, 1);
  const std::string said = notices([&] {
    const ImageDataset dataset = open(small_options());
    ASSERT_EQ(dataset.size(), 5U);
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      EXPECT_TRUE(torch::equal(dataset.get(1, seed).latent, dataset.get(3, seed).latent));
      EXPECT_TRUE(torch::equal(dataset.original(2, seed), dataset.original(3, seed)));
    }
  });
  EXPECT_THAT(said, AllOf(HasSubstr("00_bad.png"), HasSubstr("00_small.png"), HasSubstr("too small")));
  EXPECT_EQ(said.find("00_bad.png"), said.rfind("00_bad.png"));
}

TEST_F(ImageDatasetTest, NoUsableImageIsAnError) {
  ImageDatasetOptions options = small_options();
  options.crop.high = 128;
  const ImageDataset dataset = open(options);
  notices([&] { EXPECT_THAT(thrown<Error>([&] { dataset.get(0, 0); }), HasSubstr("none of the 3 images")); });
  options.crop.high = 36;
  options.crop.low = 18;
  EXPECT_THAT(thrown<UsageError>([&] { open(options); }), HasSubstr("multiple of 8"));
  EXPECT_THAT(thrown<UsageError>([&] {
                fs::create_directories(folder / "empty");
                ImageDataset(folder / "empty", FakeAutoencoder::encoder(), small_options());
              }),
              HasSubstr("no images"));
}

TEST_F(ImageDatasetTest, ThreadsGetTheSamePairs) {
  const ImageDataset dataset = open(small_options());
  ImageDatasetOptions uncached = small_options();
  uncached.cache.memory_limit = 0;
  const ImageDataset expected = open(uncached);
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < 12; ++i) {
        right += torch::equal(dataset.get(i % 3, i).latent, expected.get(i % 3, i).latent) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 48);
}

}  // namespace
}  // namespace fmboost
