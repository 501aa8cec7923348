#include "data/images/image_crops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

Image noise_image(std::int64_t width, std::int64_t height) {
  torch::manual_seed(5);
  Image image;
  image.pixels = torch::rand({3, height, width}) * 2 - 1;
  return image;
}

ImageCropOptions small_crops() {
  ImageCropOptions options;
  options.low = 16;
  options.high = 32;
  return options;
}

TEST(ImageCrops, CenterCropIsCentered) {
  ImageCropOptions options = small_crops();
  options.place = CropPlace::center;
  const Image image = noise_image(50, 41);
  const ImageCrop crop = CropSource(image, "hash", options, "a").cut(0);
  EXPECT_EQ(crop.left, 9);
  EXPECT_EQ(crop.top, 4);
  EXPECT_TRUE(torch::equal(crop.high, image.pixels.slice(1, 4, 36).slice(2, 9, 41)));
}

TEST(ImageCrops, RandomCropsCoverTheImageAndAreReproducible) {
  const Image image = noise_image(36, 34);
  const CropSource source(image, "hash", small_crops(), "a");
  std::set<std::pair<std::int64_t, std::int64_t>> places;
  for (std::int64_t i = 0; i < 200; ++i) {
    const ImageCrop crop = source.cut(i);
    ASSERT_TRUE(crop.left >= 0 && crop.left <= 4 && crop.top >= 0 && crop.top <= 2);
    EXPECT_TRUE(
        torch::equal(crop.high, image.pixels.slice(1, crop.top, crop.top + 32).slice(2, crop.left, crop.left + 32)));
    EXPECT_FALSE(crop.flipped);
    places.emplace(crop.left, crop.top);
    EXPECT_TRUE(torch::equal(crop.high, CropSource(image, "hash", small_crops(), "b").cut(i).high));
  }
  EXPECT_EQ(places.size(), 15U);
}

TEST(ImageCrops, PositionsDependOnSeedAndContent) {
  const Image image = noise_image(300, 300);
  ImageCropOptions other_seed = small_crops();
  other_seed.seed = 43;
  const ImageCrop crop = CropSource(image, "hash", small_crops(), "a").cut(0);
  const ImageCrop with_seed = CropSource(image, "hash", other_seed, "a").cut(0);
  const ImageCrop with_content = CropSource(image, "other", small_crops(), "a").cut(0);
  EXPECT_NE(std::pair(crop.left, crop.top), std::pair(with_seed.left, with_seed.top));
  EXPECT_NE(std::pair(crop.left, crop.top), std::pair(with_content.left, with_content.top));
}

TEST(ImageCrops, AboutHalfAreMirroredInPixels) {
  ImageCropOptions options = small_crops();
  options.flip = true;
  const Image image = noise_image(32, 32);
  const CropSource source(image, "hash", options, "a");
  int flipped = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const ImageCrop crop = source.cut(i);
    flipped += crop.flipped ? 1 : 0;
    EXPECT_TRUE(torch::equal(crop.high, crop.flipped ? image.pixels.flip(2) : image.pixels));
  }
  EXPECT_GT(flipped, 70);
  EXPECT_LT(flipped, 130);
}

TEST(ImageCrops, SmallSquareIsTheDownsampledLargeOne) {
  const Image image = noise_image(40, 40);
  ImageCropOptions options = small_crops();
  const ImageCrop area = CropSource(image, "hash", options, "a").cut(3);
  const torch::Tensor mean = area.high.reshape({3, 16, 2, 16, 2}).mean(at::IntArrayRef{2, 4});
  EXPECT_TRUE(is_close(area.low, mean, 1e-6));
  for (const auto downsampling : {Downsampling::bilinear, Downsampling::bicubic}) {
    options.downsampling = downsampling;
    const ImageCrop crop = CropSource(image, "hash", options, "a").cut(3);
    EXPECT_TRUE(torch::equal(crop.high, area.high));
    EXPECT_EQ(crop.low.sizes(), area.low.sizes());
    EXPECT_FALSE(is_close(crop.low, area.low, 1e-2));
    EXPECT_TRUE(is_close(crop.low, area.low, 0.8));
    EXPECT_LE(crop.low.abs().max().item<float>(), 1.0F);
  }
}

TEST(ImageCrops, ImageIsFittedFirst) {
  ImageCropOptions options = small_crops();
  options.fit = true;
  const CropSource wide(noise_image(128, 64), "hash", options, "a");
  EXPECT_EQ(wide.width(), 64);
  EXPECT_EQ(wide.height(), 32);
  const CropSource tall(noise_image(64, 97), "hash", options, "a");
  EXPECT_EQ(tall.width(), 32);
  EXPECT_EQ(tall.height(), 49);
  EXPECT_EQ(tall.cut(0).high.sizes(), (at::IntArrayRef{3, 32, 32}));
}

TEST(ImageCrops, TransparencyIsBlendedOverWhiteAndClamped) {
  ImageCropOptions options = small_crops();
  Image image;
  image.pixels = torch::full({3, 32, 32}, -3.0);
  image.alpha = torch::full({1, 32, 32}, 0.25);
  EXPECT_TRUE(is_close(CropSource(image, "hash", options, "a").cut(0).high, torch::full({3, 32, 32}, 0.5), 1e-6));
}

TEST(ImageCrops, SmallImagesAndInvalidOptionsAreRefused) {
  EXPECT_THAT(thrown<Error>([] { CropSource(noise_image(100, 31), "hash", small_crops(), "a.png"); }),
              AllOf(HasSubstr("a.png"), HasSubstr("too small"), HasSubstr("100x31"), HasSubstr("32x32")));
  ImageCropOptions options = small_crops();
  options.high = 40;
  EXPECT_THAT(thrown<UsageError>([&] { options.check(); }), HasSubstr("16 and 40"));
  options.high = 16;
  EXPECT_THROW(options.check(), UsageError);
  options = small_crops();
  options.place = CropPlace::center;
  options.crops = 2;
  EXPECT_THAT(thrown<UsageError>([&] { options.check(); }), HasSubstr("center"));
  EXPECT_THROW(parse_enum<CropPlace>("left"), UsageError);
  EXPECT_THROW(parse_enum<Downsampling>("nearest"), UsageError);
  EXPECT_EQ(parse_enum<CropPlace>("center"), CropPlace::center);
}

}  // namespace
}  // namespace fmboost
