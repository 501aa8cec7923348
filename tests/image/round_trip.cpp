#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/error.h"

#include "images.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

// A smooth image with some texture, as photographs are.
torch::Tensor photo() {
  const auto x = torch::linspace(0, 6, 96).unsqueeze(0);
  const auto y = torch::linspace(0, 4, 64).unsqueeze(1);
  const auto smooth = torch::stack({(x + y).sin(), (x * 2 - y).cos(), (x * y / 2).sin()}, -1) * 100 + 128;
  const auto texture = (random_samples(64, 96, 3).to(torch::kFloat32) - 128) / 16;
  return (smooth + texture).clamp(0, 255).to(torch::kUInt8);
}

double psnr(const torch::Tensor& a, const torch::Tensor& b) {
  const double error = (a.to(torch::kFloat64) - b.to(torch::kFloat64)).square().mean().item<double>();
  return 10 * std::log10(255 * 255 / error);
}

double psnr_of(const EncodeOptions& options) {
  return psnr(samples_of(round_trip(image_of(photo()), options)), photo());
}

TEST(RoundTrip, KeepsEverySampleInLosslessFormats) {
  const auto all_values = torch::arange(256, torch::kInt64).reshape({16, 16, 1}).expand({16, 16, 3}).to(torch::kUInt8);
  for (const auto& samples : {all_values, random_samples(13, 29, 3), random_samples(1, 1, 3)}) {
    EXPECT_TRUE(same_samples(samples_of(round_trip(image_of(samples), {})), samples));
    EXPECT_TRUE(same_samples(samples_of(round_trip(image_of(samples), {.format = ImageFormat::webp, .quality = 100})),
                             samples));
  }
}

TEST(RoundTrip, KeepsAlphaAndTheColorsUnderIt) {
  const auto samples = random_samples(9, 7, 4);
  Image source = image_of(samples.slice(2, 0, 3));
  source.alpha = samples.select(2, 3).unsqueeze(0).to(torch::kFloat32) / 255;
  source.alpha[0][0][0] = 0;
  for (const auto format : {ImageFormat::png, ImageFormat::webp}) {
    const Image image = round_trip(source, {.format = format, .quality = 100});
    ASSERT_TRUE(image.alpha.defined());
    EXPECT_TRUE(torch::allclose(image.alpha, source.alpha, 0, 1e-6));
    EXPECT_TRUE(same_samples(samples_of(image), samples.slice(2, 0, 3)));
  }
}

TEST(RoundTrip, KeepsExtremeShapes) {
  for (const auto& samples : {random_samples(3, 10000, 3), random_samples(10000, 1, 3)}) {
    EXPECT_TRUE(same_samples(samples_of(round_trip(image_of(samples), {})), samples));
    const auto jpeg = samples_of(round_trip(image_of(samples), {.format = ImageFormat::jpeg}));
    EXPECT_EQ(jpeg.sizes(), samples.sizes());
  }
}

TEST(RoundTrip, JpegErrorFollowsTheQuality) {
  const double best = psnr_of({.format = ImageFormat::jpeg, .quality = 100});
  const double usual = psnr_of({.format = ImageFormat::jpeg});
  const double poor = psnr_of({.format = ImageFormat::jpeg, .quality = 40});
  EXPECT_GT(best, 45);
  EXPECT_LT(best, 60);
  EXPECT_GT(usual, 36);
  EXPECT_LT(usual, 45);
  EXPECT_GT(poor, 27);
  EXPECT_LT(poor, usual - 3);
}

TEST(RoundTrip, WebpErrorFollowsTheQuality) {
  const double usual = psnr_of({.format = ImageFormat::webp});
  const double poor = psnr_of({.format = ImageFormat::webp, .quality = 20});
  EXPECT_GT(usual, 32);
  EXPECT_LT(usual, 48);
  EXPECT_LT(poor, usual - 3);
  EXPECT_GT(poor, 22);
}

// 4:2:0 would blur these stripes of two colors into one.
TEST(RoundTrip, KeepsColorResolutionInJpegs) {
  auto stripes = torch::zeros({16, 16, 3}, torch::kUInt8);
  stripes.slice(1, 0, 16, 2).select(2, 0).fill_(255);
  stripes.slice(1, 1, 16, 2).select(2, 2).fill_(255);
  EXPECT_LE(largest_difference(samples_of(round_trip(image_of(stripes), {.format = ImageFormat::jpeg})), stripes), 40);
}

TEST(RoundTrip, JpegsBlendAlphaOverWhite) {
  Image source = image_of(torch::zeros({16, 16, 3}, torch::kUInt8));
  source.alpha = torch::full({1, 16, 16}, 0.25F);
  const Image image = round_trip(source, {.format = ImageFormat::jpeg});
  EXPECT_FALSE(image.alpha.defined());
  EXPECT_LE(largest_difference(samples_of(image), torch::full({16, 16, 3}, 191, torch::kUInt8)), 2);
}

TEST(EncodeImage, BytesAreReproducible) {
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    Image image = image_of(photo());
    image.metadata.text = {{"parameters", "a cat"}, {"fmboost", "{\"schema\":1}"}};
    EXPECT_EQ(encode_image(image, {.format = format}), encode_image(image, {.format = format}));
  }
}

TEST(EncodeImage, CompressionLevelIsUsed) {
  const Image image = image_of(photo());
  const auto size = [&](int level) { return encode_image(image, {.compression_level = level}).size(); };
  EXPECT_GT(size(0), 64U * 96 * 3);
  EXPECT_LT(size(9), size(0));
}

TEST(EncodeImage, UnrepresentableImagesAreRefused) {
  const Image wide = image_of(torch::zeros({1, 16384, 3}, torch::kUInt8));
  EXPECT_THAT(thrown<Error>([&] { encode_image(wide, {.format = ImageFormat::webp}); }),
              AllOf(HasSubstr("16383"), HasSubstr("PNG")));
  const Image wider = image_of(torch::zeros({1, 65501, 3}, torch::kUInt8));
  EXPECT_THAT(thrown<Error>([&] { encode_image(wider, {.format = ImageFormat::jpeg}); }),
              AllOf(HasSubstr("65500"), HasSubstr("PNG")));
}

TEST(EncodeImage, SettingsOutOfRangeAreRefused) {
  const Image image = image_of(pattern());
  for (const int quality : {0, 101, -5}) {
    EXPECT_THAT(thrown<UsageError>([&] { encode_image(image, {.format = ImageFormat::jpeg, .quality = quality}); }),
                HasSubstr("from 1 to 100, got " + std::to_string(quality)));
  }
  for (const int level : {-1, 10}) {
    EXPECT_THAT(thrown<UsageError>([&] { encode_image(image, {.compression_level = level}); }),
                HasSubstr("`png_level` must be from 0 to 9, got " + std::to_string(level)));
  }
}

TEST(ImageFormatFromSuffix, SuffixMayHaveAnyCase) {
  EXPECT_EQ(image_format_from_suffix("a/b.png"), ImageFormat::png);
  EXPECT_EQ(image_format_from_suffix("B.PNG"), ImageFormat::png);
  EXPECT_EQ(image_format_from_suffix("b.jpg"), ImageFormat::jpeg);
  EXPECT_EQ(image_format_from_suffix("b.Jpeg"), ImageFormat::jpeg);
  EXPECT_EQ(image_format_from_suffix("b.tar.webp"), ImageFormat::webp);
  EXPECT_EQ(image_format_from_suffix("b.tif"), ImageFormat::tiff);
  EXPECT_EQ(image_format_from_suffix("b.TIFF"), ImageFormat::tiff);
}

TEST(ImageFormatFromSuffix, ErrorNamesTheFileAndTheFormats) {
  for (const std::string name : {"image", "image.", "image.gif", ".png", "a.png/b", "a.png "}) {
    EXPECT_THAT(thrown<UsageError>([&] { image_format_from_suffix(name); }),
                AllOf(HasSubstr("'" + name + "'"), HasSubstr(".png, .jpg, .webp or .tif")));
  }
}

TEST(ToUint8, RoundsClampsAndReorders) {
  const auto pixels = torch::tensor({-7.0, -1.0, -0.9999, 0.0, 0.9999, 1.0, 7.0}).reshape({1, 1, 7}).expand({3, 1, 7});
  const auto samples = to_uint8(pixels);
  EXPECT_EQ(samples.sizes(), (std::vector<std::int64_t>{1, 7, 3}));
  EXPECT_EQ(samples.scalar_type(), torch::kUInt8);
  // 0 lies half way between 127 and 128, and goes to the even one.
  EXPECT_TRUE(
      torch::equal(samples.select(2, 1).squeeze(0), torch::tensor({0, 0, 0, 128, 255, 255, 255}, torch::kUInt8)));
}

TEST(ToUint8, RoundsToTheNearestStep) {
  const auto steps = torch::arange(256, torch::kFloat64);
  const auto at = [&](double offset) {
    return to_uint8(((steps + offset) / 127.5 - 1).to(torch::kFloat32).reshape({1, 1, 256}))
        .flatten()
        .to(torch::kFloat64);
  };
  EXPECT_TRUE(torch::equal(at(0), steps));
  EXPECT_TRUE(torch::equal(at(0.49), steps));
  EXPECT_TRUE(torch::equal(at(-0.49), steps));
  EXPECT_TRUE(torch::equal(at(0.51), (steps + 1).clamp(0, 255)));
}

}  // namespace
}  // namespace fmboost
