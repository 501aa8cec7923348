#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "images.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Samples of 16 bits as an image that comes from such a file: (C, H, W) int32, C = 3, or 1 for gray.
Image deep_image(const torch::Tensor& samples) {
  Image image;
  image.pixels = (samples.to(torch::kFloat64) / 32767.5 - 1).to(torch::kFloat32).expand({3, -1, -1});
  image.gray = samples.size(0) == 1;
  image.bit_depth = 16;
  return image;
}

torch::Tensor deep_samples_of(const torch::Tensor& pixels) {
  return ((pixels.to(torch::kFloat64) + 1) * 32767.5).round().to(torch::kInt32);
}

torch::Tensor random_deep(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return torch::randint(0, 65536, {channels, height, width}, torch::kInt32);
}

TEST(PngWriter, KeepsEverySampleOf16Bits) {
  const auto all_values = torch::arange(65536, torch::kInt32).reshape({1, 256, 256});
  for (const auto& samples : {all_values, random_deep(3, 31, 17), random_deep(1, 5, 1)}) {
    const Image image = round_trip(deep_image(samples), {});
    EXPECT_EQ(image.bit_depth, 16);
    EXPECT_EQ(image.gray, samples.size(0) == 1);
    EXPECT_TRUE(torch::equal(deep_samples_of(image.pixels).slice(0, 0, samples.size(0)), samples));
  }
}

TEST(PngWriter, KeepsAlphaBesideGrayAnd16Bits) {
  for (const std::int64_t channels : {1, 3}) {
    for (const int bits : {8, 16}) {
      Image source = deep_image(random_deep(channels, 9, 7));
      source.bit_depth = bits;
      source.alpha = torch::rand({1, 9, 7});
      const Image image = round_trip(source, {});
      EXPECT_EQ(image.gray, channels == 1);
      EXPECT_EQ(image.bit_depth, bits);
      const double step = bits == 8 ? 1.0 / 255 : 1.0 / 65535;
      EXPECT_LE((image.alpha - source.alpha).abs().max().item<double>(), step * 0.51);
      EXPECT_LE((image.pixels - source.pixels).abs().max().item<double>(), step * 1.02);
    }
  }
}

TEST(PngWriter, WritesTheDepthThatIsAskedFor) {
  Image image = deep_image(random_deep(3, 4, 4));
  EXPECT_EQ(round_trip(image, {.bit_depth = BitDepth::eight}).bit_depth, 8);
  image.bit_depth = 8;
  EXPECT_EQ(round_trip(image, {}).bit_depth, 8);
  EXPECT_EQ(round_trip(image, {.bit_depth = BitDepth::sixteen}).bit_depth, 16);
}

// Strips end after 256 KiB; smooth, noisy and flat parts take different filters.
torch::Tensor many_strips(std::int64_t height, std::int64_t width) {
  torch::Tensor samples = random_samples(height, width, 3);
  const auto ramp = torch::arange(width, torch::kInt64).remainder(256).to(torch::kUInt8).view({1, width, 1});
  samples.slice(0, 0, height / 3).copy_(ramp.expand({height / 3, width, 3}));
  samples.slice(0, 2 * height / 3).fill_(7);
  return samples;
}

TEST(PngWriter, JoinsStripsAtEveryLevel) {
  const auto samples = many_strips(1000, 333);
  std::size_t stored = 0;
  for (int level = 0; level <= 9; ++level) {
    const auto bytes = encode_image(image_of(samples), {.compression_level = level});
    EXPECT_TRUE(same_samples(samples_of(decode_image(bytes, "image")), samples)) << level;
    stored = level == 0 ? bytes.size() : stored;
    EXPECT_LT(bytes.size(), level == 0 ? 1'010'000 : stored / 2) << level;
  }
}

TEST(PngWriter, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Image image = image_of(many_strips(900, 400));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = encode_image(image, {});
  at::set_num_threads(3);
  const auto three = encode_image(image, {});
  at::set_num_threads(threads);
  EXPECT_EQ(one, three);
}

TEST(PngWriter, HoldsRowsAsLongAsAStrip) {
  Image source = deep_image(random_deep(3, 3, 32'768));  // 192 KiB a row
  source.alpha = torch::rand({1, 3, 32'768});            // 256 KiB
  EXPECT_TRUE(torch::equal(deep_samples_of(round_trip(source, {}).pixels), deep_samples_of(source.pixels)));
}

TEST(JpegWriter, WritesGrayWithOneComponent) {
  Image source = image_of(gray_pattern());
  source.gray = true;
  const Image image = round_trip(source, {.format = ImageFormat::jpeg, .quality = 100});
  EXPECT_TRUE(image.gray);
  EXPECT_LE(largest_difference(samples_of(image), gray_pattern()), 2);
}

TEST(GrayImage, IsWrittenInColorWhereTheFormatHasNoGray) {
  Image source = image_of(gray_pattern());
  source.gray = true;
  const Image image = round_trip(source, {.format = ImageFormat::webp, .quality = 100});
  EXPECT_FALSE(image.gray);
  EXPECT_TRUE(same_samples(samples_of(image), gray_pattern()));
}

TEST(GrayImage, IsTheMeanOfItsChannels) {
  Image source = image_of(torch::tensor({30, 60, 120}, torch::kUInt8).view({1, 1, 3}));
  source.gray = true;
  EXPECT_TRUE(same_samples(samples_of(round_trip(source, {})), torch::full({1, 1, 3}, 70, torch::kUInt8)));
}

TEST(LostInFormat, NamesWhatJpegCannotHold) {
  Image image = deep_image(random_deep(3, 2, 2));
  image.alpha = torch::ones({1, 2, 2});
  image.metadata.text = {{"Author", "somebody"}, {"parameters", "a cat"}, {"Comment", "hello"}};
  image.metadata.not_kept = {"IPTC and Photoshop data"};
  EXPECT_THAT(lost_in_format(image, {.format = ImageFormat::jpeg}),
              ElementsAre("16 bits per sample", "transparency", "IPTC and Photoshop data", "the text 'Author'"));
  EXPECT_THAT(lost_in_format(image, {}), ElementsAre("IPTC and Photoshop data"));
  image.metadata = ImageMetadata();
  image.alpha.reset();
  EXPECT_THAT(lost_in_format(image, {.format = ImageFormat::webp}), ElementsAre("16 bits per sample"));
  EXPECT_THAT(lost_in_format(image, {.format = ImageFormat::webp, .bit_depth = BitDepth::eight}), IsEmpty());
  EXPECT_THAT(lost_in_format(image, {.format = ImageFormat::tiff}), IsEmpty());
}

TEST(CheckFormatSize, NamesTheLimitsOfJpegAndWebp) {
  EXPECT_NO_THROW(check_format_size(ImageFormat::jpeg, 65500, 1));
  EXPECT_NO_THROW(check_format_size(ImageFormat::webp, 1, 16383));
  EXPECT_NO_THROW(check_format_size(ImageFormat::png, 100'000, 100'000));
  EXPECT_THAT(thrown<Error>([] { check_format_size(ImageFormat::jpeg, 1, 65501); }), HasSubstr("65500"));
  EXPECT_THAT(thrown<Error>([] { check_format_size(ImageFormat::webp, 16384, 1); }), HasSubstr("16383"));
}

}  // namespace
}  // namespace fmboost
