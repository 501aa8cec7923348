// Every kind of file that users have; tests/fixtures/make_images.py made them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/log.h"

#include "images.h"

namespace fmboost {
namespace {

using namespace test;
using testing::HasSubstr;

Image decode_file(const std::string& name) {
  return decode_image(image_file(name), name);
}

// What is logged while a file is decoded.
std::string notice(const std::string& name) {
  configure_logging(Verbosity::normal);
  testing::internal::CaptureStderr();
  decode_file(name);
  return testing::internal::GetCapturedStderr();
}

Image decode_quietly(const std::string& name) {
  configure_logging(Verbosity::quiet);
  Image image = decode_file(name);
  configure_logging(Verbosity::normal);
  return image;
}

torch::Tensor alpha_samples(const Image& image) {
  return (image.alpha * 255).round().to(torch::kUInt8).squeeze(0);
}

TEST(SourceKinds, RgbPng) {
  const Image image = decode_file("rgb.png");
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
  EXPECT_EQ(image.format, "png");
  EXPECT_EQ(image.width(), 6);
  EXPECT_EQ(image.height(), 4);
  EXPECT_FALSE(image.alpha.defined());
}

TEST(SourceKinds, RgbaPng) {
  const Image image = decode_file("rgba.png");
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
  ASSERT_TRUE(image.alpha.defined());
  const auto expected = (50 * torch::arange(6)).to(torch::kUInt8).unsqueeze(0).expand({4, 6});
  EXPECT_TRUE(torch::equal(alpha_samples(image), expected));
  EXPECT_FLOAT_EQ(image.alpha[0][0][5].item<float>(), 250.0F / 255);
}

TEST(SourceKinds, GrayPng) {
  const Image image = decode_file("gray.png");
  EXPECT_TRUE(same_samples(samples_of(image), gray_pattern()));
  EXPECT_FALSE(image.alpha.defined());
}

TEST(SourceKinds, GrayPngWithAlpha) {
  const Image image = decode_file("gray_alpha.png");
  EXPECT_TRUE(same_samples(samples_of(image), gray_pattern()));
  ASSERT_TRUE(image.alpha.defined());
  EXPECT_EQ(alpha_samples(image)[2][3].item<int>(), 150);
}

TEST(SourceKinds, PalettePng) {
  const Image image = decode_file("palette.png");
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
  EXPECT_FALSE(image.alpha.defined());
}

TEST(SourceKinds, PalettePngWithATransparentEntry) {
  const Image image = decode_file("palette_transparent.png");
  ASSERT_TRUE(image.alpha.defined());
  auto expected = torch::full({4, 6}, 255, torch::kUInt8);
  expected[0][5] = 0;
  EXPECT_TRUE(torch::equal(alpha_samples(image), expected));
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
}

TEST(SourceKinds, RgbPngWithATransparentColor) {
  const Image image = decode_file("rgb_key.png");
  ASSERT_TRUE(image.alpha.defined());
  auto expected = torch::full({4, 6}, 255, torch::kUInt8);
  expected[0][0] = 0;
  EXPECT_TRUE(torch::equal(alpha_samples(image), expected));
}

TEST(SourceKinds, OneBitPng) {
  const auto sum = torch::arange(6).unsqueeze(0) + torch::arange(4).unsqueeze(1);
  const auto expected = (sum.remainder(2) * 255).to(torch::kUInt8).unsqueeze(-1).expand({4, 6, 3});
  EXPECT_TRUE(same_samples(samples_of(decode_file("one_bit.png")), expected));
}

TEST(SourceKinds, SixteenBitPngsKeepTheirDepth) {
  const Image rgb = decode_file("rgb16.png");
  const auto steps = pattern().to(torch::kFloat64) * 257 + torch::arange(6).reshape({1, 6, 1});
  EXPECT_LT((rgb.pixels.permute({1, 2, 0}) - (steps / 32767.5 - 1)).abs().max().item<double>(), 2e-7);
  const Image gray = decode_file("gray16.png");
  const auto gray_steps = gray_pattern().to(torch::kFloat64) * 257 + 1;
  EXPECT_LT((gray.pixels.permute({1, 2, 0}) - (gray_steps / 32767.5 - 1)).abs().max().item<double>(), 2e-7);
}

TEST(SourceKinds, GrayJpeg) {
  const auto ramp = torch::arange(16).unsqueeze(0) + torch::arange(16).unsqueeze(1);
  const Image image = decode_file("gray.jpg");
  const auto expected = (8 * ramp).unsqueeze(-1).expand({16, 16, 3}).to(torch::kUInt8);
  EXPECT_LE(largest_difference(samples_of(image), expected), 3);
  EXPECT_EQ(image.format, "jpeg");
}

TEST(SourceKinds, ProgressiveJpeg) {
  const auto ramp = 8 * (torch::arange(16).unsqueeze(0) + torch::arange(16).unsqueeze(1));
  const auto expected = torch::stack({ramp, ramp.flip(1), torch::full({16, 16}, 128, torch::kInt64)}, -1);
  const auto samples = samples_of(decode_file("progressive.jpg"));
  EXPECT_LE(largest_difference(samples, expected.to(torch::kUInt8)), 6);
}

// Adobe's upside-down CMYK. Ink multiplied out: magenta takes green away, black takes a fifth of everything.
TEST(SourceKinds, CmykJpeg) {
  const auto ramp = 8 * (torch::arange(16).unsqueeze(0) + torch::arange(16).unsqueeze(1)).to(torch::kFloat64);
  const auto white = torch::full({16, 16}, 204.0, torch::kFloat64);
  const auto expected = torch::stack({white, (255 - ramp) * 0.8, white}, -1).round().to(torch::kUInt8);
  EXPECT_LE(largest_difference(samples_of(decode_file("cmyk.jpg")), expected), 5);
}

TEST(SourceKinds, LosslessWebp) {
  const Image image = decode_file("lossless.webp");
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
  EXPECT_EQ(image.format, "webp");
  EXPECT_FALSE(image.alpha.defined());
}

TEST(SourceKinds, OtherFormats) {
  const std::pair<const char*, const char*> files[] = {
      {"rgb.bmp", "bmp"}, {"rgb.ppm", "pnm"}, {"rgb.tga", "other"}, {"rgb.psd", "other"}, {"still.gif", "other"}};
  for (const auto& [name, format] : files) {
    const Image image = decode_file(name);
    EXPECT_TRUE(same_samples(samples_of(image), pattern())) << name;
    EXPECT_FALSE(image.alpha.defined()) << name;
    EXPECT_EQ(image.format, format);
  }
  EXPECT_TRUE(same_samples(samples_of(decode_file("gray.pgm")), gray_pattern()));
}

TEST(SourceKinds, FirstFrameOfAnAnimationWithANotice) {
  for (const std::string name : {"animated.png", "animated.gif", "animated.webp"}) {
    EXPECT_TRUE(same_samples(samples_of(decode_quietly(name)), pattern())) << name;
    EXPECT_EQ(notice(name), "warning: '" + name + "' is animated; only its first frame is used\n");
  }
}

TEST(SourceKinds, NoNoticeForStillImages) {
  for (const auto name : {"rgb.png", "still.gif", "lossless.webp", "cmyk.jpg", "rgb.tga"}) {
    EXPECT_EQ(notice(name), "") << name;
  }
}

TEST(SourceKinds, ContentOverridesTheSuffix) {
  EXPECT_EQ(decode_image(image_file("gray.jpg"), "photo.png").format, "jpeg");
  EXPECT_EQ(decode_image(image_file("rgb.png"), "photo.webp").format, "png");
}

}  // namespace
}  // namespace fmboost
