#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "images.h"
#include "profiles.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using namespace test;
using testing::HasSubstr;

// An image whose file holds these very samples under this profile.
ImageBytes png_with_profile(const torch::Tensor& samples, const ImageBytes& profile) {
  // As JPEG, whose markers are easily put in, the samples would not be exact; the encoder converts from sRGB. So the
  // bytes of an image without a profile are decoded under it in WebP, whose chunk is as easy.
  auto webp = encode_image(image_of(samples), {.format = ImageFormat::webp, .quality = 100});
  using namespace std::string_literals;
  const auto size32 = [](std::size_t n) {
    return std::string{static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16), '\0'};
  };
  const auto dimension = [](std::int64_t n) {
    return std::string{static_cast<char>(n - 1), static_cast<char>((n - 1) >> 8), '\0'};
  };
  std::string icc = text_of(profile);
  const auto icc_size = size32(icc.size());
  icc.resize(icc.size() + icc.size() % 2, '\0');
  const std::string body = "WEBPVP8X\x0a\0\0\0\x20\0\0\0"s + dimension(samples.size(1)) + dimension(samples.size(0)) +
                           "ICCP" + icc_size + icc + text_of(webp).substr(12);
  return bytes_of("RIFF" + size32(body.size()) + body);
}

torch::Tensor colors(std::initializer_list<std::initializer_list<int>> rows) {
  std::vector<torch::Tensor> all;
  for (const auto& row : rows) {
    all.push_back(torch::tensor(std::vector<std::int64_t>(row.begin(), row.end())).to(torch::kUInt8));
  }
  return torch::stack(all).unsqueeze(0);
}

// CSS Color 4, section 10.9: P3's red is (1.0931, ...) in sRGB, beyond what 8 bits hold; white, black and gray stay.
TEST(ColorProfile, ConvertsFromAWideProfileWithoutClipping) {
  const auto samples = colors({{255, 0, 0}, {255, 255, 255}, {0, 0, 0}, {128, 128, 128}, {0, 255, 0}});
  const Image image = decode_image(png_with_profile(samples, display_p3_profile()), "photo.webp");
  const auto shares = ((image.pixels + 1) / 2).squeeze(1).t();
  EXPECT_NEAR(shares[0][0].item<double>(), 1.0931, 2e-3);
  EXPECT_LT(shares[0][1].item<double>(), -0.1);
  EXPECT_LT(shares[0][2].item<double>(), -0.1);
  EXPECT_TRUE(torch::allclose(shares[1], torch::ones({3}), 0, 1e-3));
  EXPECT_TRUE(torch::allclose(shares[2], torch::zeros({3}), 0, 1e-3));
  EXPECT_TRUE(torch::allclose(shares[3], torch::full({3}, 128.0F / 255), 0, 1e-3));
  EXPECT_NEAR(shares[4][1].item<double>(), 1.0187, 2e-3);
}

TEST(ColorProfile, SameProfileReturnsTheSameSamples) {
  const auto samples = random_samples(31, 17, 3);
  const auto profile = display_p3_profile();
  const Image image = decode_image(png_with_profile(samples, profile), "photo.webp");
  EXPECT_EQ(image.metadata.icc_profile, profile);
  EXPECT_GT(largest_difference(samples_of(image), samples), 10) << "the pixels are sRGB";
  for (const auto format : {ImageFormat::png, ImageFormat::webp}) {
    const auto bytes = encode_image(image, {.format = format, .quality = 100});
    EXPECT_EQ(decode_image(bytes, "again").metadata.icc_profile, profile);
    Image without = decode_image(bytes, "again");
    EXPECT_TRUE(torch::allclose(without.pixels, image.pixels, 0, 1e-3));
    EXPECT_EQ(encode_image(without, {.format = format, .quality = 100}), bytes);
  }
}

TEST(ColorProfile, IsEmbeddedInJpegs) {
  const auto profile = display_p3_profile();
  Image image = image_of(torch::full({16, 16, 3}, 100, torch::kUInt8));
  image.metadata.icc_profile = profile;
  const Image again = round_trip(image, {.format = ImageFormat::jpeg});
  EXPECT_EQ(again.metadata.icc_profile, profile);
  EXPECT_LE(largest_difference(samples_of(again), samples_of(image)), 2);
}

TEST(ColorProfile, SrgbProfileIsDroppedAndChangesNothing) {
  const auto samples = random_samples(8, 8, 3);
  const Image image = decode_image(png_with_profile(samples, srgb_profile()), "photo.webp");
  EXPECT_TRUE(image.metadata.icc_profile.empty());
  EXPECT_TRUE(torch::equal(image.pixels, image_of(samples).pixels));
}

TEST(ColorProfile, GrayProfileIsAppliedAndKept) {
  const auto plain = samples_of(decode_image(image_file("gray.jpg"), "gray")).to(torch::kFloat64) / 255;
  const Image image = decode_image(with_profile(image_file("gray.jpg"), linear_gray_profile()), "gray");
  EXPECT_EQ(image.metadata.icc_profile, linear_gray_profile());
  // From linear light to sRGB.
  const auto expected = torch::where(plain <= 0.0031308, plain * 12.92, 1.055 * plain.pow(1 / 2.4) - 0.055);
  const auto shares = (image.pixels.permute({1, 2, 0}).to(torch::kFloat64) + 1) / 2;
  EXPECT_LT((shares - expected).abs().max().item<double>(), 0.01);
}

TEST(ColorProfile, OneWayProfileIsAppliedAndDropped) {
  const auto samples = random_samples(8, 8, 3);
  const Image image = decode_image(png_with_profile(samples, one_way_profile()), "scan.webp");
  EXPECT_GT(largest_difference(samples_of(image), samples), 10);
  EXPECT_TRUE(image.metadata.icc_profile.empty());
  EXPECT_NO_THROW(encode_image(image, {}));
}

TEST(ColorProfile, SegmentsAreJoinedFromAnyOrder) {
  const auto profile = display_p3_profile();
  const auto jpeg = encode_image(image_of(pattern()), {.format = ImageFormat::jpeg});
  EXPECT_EQ(decode_image(with_profile(jpeg, profile, 3), "photo").metadata.icc_profile, profile);
}

// What is logged for a JPEG with such a profile, whose pixels must be those without one.
std::string notice_beside_plain_pixels(const ImageBytes& jpeg, const ImageBytes& profile) {
  configure_logging(Verbosity::normal);
  testing::internal::CaptureStderr();
  const Image image = decode_image(with_profile(jpeg, profile), "photo.jpg");
  EXPECT_TRUE(torch::equal(image.pixels, decode_image(jpeg, "photo.jpg").pixels));
  EXPECT_TRUE(image.metadata.icc_profile.empty());
  return testing::internal::GetCapturedStderr();
}

TEST(ColorProfile, DamagedOrForeignProfileIsDroppedWithAWarning) {
  const auto rgb = encode_image(image_of(pattern()), {.format = ImageFormat::jpeg});
  EXPECT_THAT(notice_beside_plain_pixels(rgb, linear_gray_profile()),
              HasSubstr("warning: the color profile of 'photo.jpg'"));
  EXPECT_THAT(notice_beside_plain_pixels(rgb, bytes_of("no profile")), HasSubstr("damaged"));
  EXPECT_THAT(notice_beside_plain_pixels(image_file("gray.jpg"), display_p3_profile()),
              HasSubstr("does not match its pixels"));
  EXPECT_THAT(notice_beside_plain_pixels(image_file("cmyk.jpg"), display_p3_profile()),
              HasSubstr("does not match its pixels"));
  auto cut = display_p3_profile();
  cut.resize(200);
  EXPECT_THAT(notice_beside_plain_pixels(rgb, cut), HasSubstr("ignoring it"));
}

TEST(ColorProfile, BrokenProfileCannotBeWritten) {
  Image image = image_of(pattern());
  for (const auto& profile : {bytes_of("no profile"), linear_gray_profile()}) {
    image.metadata.icc_profile = profile;
    EXPECT_THAT(thrown<Error>([&] { encode_image(image, {}); }), HasSubstr("color profile"));
  }
}

}  // namespace
}  // namespace fmboost
