#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "fmboost/core/log.h"

#include "image/color_profile.h"
#include "image/exif.h"
#include "image/tiff_structure.h"
#include "image/xmp.h"
#include "images.h"
#include "profiles.h"

namespace fmboost {
namespace {

using namespace test;
using namespace std::string_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::string u32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift & 0xff);
  }
  return bytes;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string checked = type + data;
  return u32(static_cast<std::uint32_t>(data.size())) + checked +
         u32(static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size())));
}

// A PNG of the image with more chunks behind its header.
ImageBytes png_with(const std::string& chunks, const Image& image) {
  std::string bytes = text_of(encode_image(image, {}));
  constexpr std::size_t kHeaderEnd = 33;
  return bytes_of(bytes.insert(kHeaderEnd, chunks));
}

Image decoded_with(const std::string& chunks, const Image& image = image_of(pattern())) {
  return decode_image(png_with(chunks, image), "photo.png");
}

Image gray_image(int value) {
  Image image = image_of(torch::full({2, 2, 3}, value, torch::kUInt8));
  image.gray = true;
  return image;
}

TEST(PngText, OfRawUtf8IsTakenForWhatItIs) {
  const std::string text = "\u30c6\u30b9\u30c8 \u2013 \u201cx\u201d\nSteps: 4";
  EXPECT_THAT(decoded_with(chunk("tEXt", "parameters\0"s + text)).metadata.text,
              testing::ElementsAre(Pair("parameters", text)));
  EXPECT_THAT(decoded_with(chunk("tEXt", "Title\0caf\xe9"s)).metadata.text,
              testing::ElementsAre(Pair("Title", "caf\u00e9")));
}

TEST(PngChunks, ThatAreDamagedAreLeftOutWithOneWarning) {
  configure_logging(Verbosity::normal);
  testing::internal::CaptureStderr();
  const Image image =
      decoded_with(chunk("zTXt", "a\0\0no zlib"s) + chunk("iCCP", "x\0\0no zlib"s) + chunk("tEXt", "Title\0kept"s));
  const std::string notices = testing::internal::GetCapturedStderr();
  EXPECT_THAT(notices, HasSubstr("'photo.png' has damaged metadata, which are left out: 2 chunks"));
  EXPECT_EQ(std::count(notices.begin(), notices.end(), '\n'), 1);
  EXPECT_THAT(image.metadata.text, testing::ElementsAre(Pair("Title", "kept")));
  EXPECT_TRUE(same_samples(samples_of(image), pattern()));
}

TEST(PngColors, OfLinearLightBecomeSrgb) {
  for (const bool gray : {false, true}) {
    Image source = gray_image(55);
    source.gray = gray;
    const Image image = decoded_with(chunk("gAMA", u32(100'000)), source);
    const double linear = 55.0 / 255;
    const double expected = 255 * (1.055 * std::pow(linear, 1 / 2.4) - 0.055);
    EXPECT_NEAR(((image.pixels + 1) * 127.5).mean().item<double>(), expected, 0.3);
    EXPECT_THAT(image.metadata.icc_profile, IsEmpty());
    EXPECT_EQ(image.gray, gray);
  }
}

TEST(PngColors, OfSrgbAreLeftAlone) {
  const std::string srgb_chromaticities =
      u32(31270) + u32(32900) + u32(64000) + u32(33000) + u32(30000) + u32(60000) + u32(15000) + u32(6000);
  for (const std::string& chunks :
       {chunk("gAMA", u32(45'455)), chunk("gAMA", u32(45'455)) + chunk("cHRM", srgb_chromaticities),
        chunk("sRGB", "\0"s) + chunk("gAMA", u32(100'000)), chunk("cICP", "\x01\x0d\0\x01"s)}) {
    const Image image = decoded_with(chunks);
    EXPECT_TRUE(same_samples(samples_of(image), pattern()));
    EXPECT_THAT(image.metadata.icc_profile, IsEmpty());
  }
}

TEST(PngColors, OfAWiderGamutAreConvertedAndWrittenWithAProfile) {
  const Image source = image_of(pattern());
  const Image image = decoded_with(chunk("cICP", "\x0c\x0d\0\x01"s), source);  // Display P3
  Image expected = source;
  const auto p3 = decode_image(
      with_profile(encode_image(source, {.format = ImageFormat::jpeg, .quality = 100}), display_p3_profile()),
      "photo.jpg");
  EXPECT_LT((image.pixels - p3.pixels).abs().max().item<double>(), 0.08) << "besides the loss of JPEG";
  EXPECT_FALSE(image.metadata.icc_profile.empty());
  Image written = decode_image(encode_image(image, {}), "again");
  EXPECT_LT((written.pixels - image.pixels).abs().max().item<double>(), 0.02);
  written.metadata.icc_profile.clear();
}

TEST(GrayProfile, IsConvertedToAndWrittenAgain) {
  Image source = gray_image(188);  // sRGB; 0.503 of light
  source.metadata.icc_profile = linear_gray_profile();
  const auto bytes = encode_image(source, {});
  const Image image = decode_image(bytes, "again");
  EXPECT_EQ(image.metadata.icc_profile, linear_gray_profile());
  EXPECT_TRUE(image.gray);
  EXPECT_NEAR(((image.pixels + 1) * 127.5).mean().item<double>(), 188, 0.6);
  EXPECT_NO_THROW(encode_image(image, {.format = ImageFormat::webp}));
}

TEST(Density, IsKeptInEveryFormat) {
  Image source = image_of(pattern());
  source.metadata.density = PixelDensity{300, 150};
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    const auto density = round_trip(source, {.format = format}).metadata.density;
    ASSERT_TRUE(density.has_value());
    EXPECT_NEAR(density->x, 300, 0.02);
    EXPECT_NEAR(density->y, 150, 0.02);
    EXPECT_TRUE(density->has_unit);
  }
  source.metadata.density = PixelDensity{2, 1, false};
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg}) {
    const auto density = round_trip(source, {.format = format}).metadata.density;
    ASSERT_TRUE(density.has_value());
    EXPECT_FALSE(density->has_unit);
    EXPECT_NEAR(density->x / density->y, 2, 1e-6);
  }
}

TEST(Density, OfExifCountsWhereTheFormatSaysNothing) {
  Image source = image_of(pattern());
  source.metadata.exif = make_exif({"", "scan"}, PixelDensity{96, 96});
  const auto bytes = encode_image(source, {.format = ImageFormat::webp});
  EXPECT_EQ(decode_image(bytes, "scan").metadata.density, (PixelDensity{96, 96}));
}

constexpr const char* kXmp =
    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:Description tiff:Orientation=\"6\" exif:PixelXDimension='24'>"
    "<tiff:ImageLength>16</tiff:ImageLength><dc:title>tiff:Orientation</dc:title></rdf:Description></x:xmpmeta>";

TEST(Xmp, IsKeptInEveryFormatAndMadeToAgree) {
  Image source = image_of(pattern());  // 6x4
  source.metadata.xmp = kXmp;
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    const Image image = round_trip(source, {.format = format});
    EXPECT_EQ(image.width(), 4) << "turned as it says";
    EXPECT_THAT(image.metadata.xmp, HasSubstr("tiff:Orientation=\"1\" exif:PixelXDimension='6'"));
    EXPECT_THAT(image.metadata.xmp, HasSubstr("<tiff:ImageLength>4</tiff:ImageLength><dc:title>tiff:Orientation<"));
  }
}

TEST(Xmp, OrientationIsReadInBothNotations) {
  EXPECT_EQ(read_xmp_orientation("<a tiff:Orientation = '3'/>"), 3);
  EXPECT_EQ(read_xmp_orientation("<tiff:Orientation>8</tiff:Orientation>"), 8);
  for (const auto* xmp :
       {"", "<a tiff:Orientation", "<a tiff:Orientation=", "<a tiff:Orientation=\"9\"/>", "<tiff:Orientation>"}) {
    EXPECT_EQ(read_xmp_orientation(xmp), std::nullopt) << xmp;
  }
}

// A camera's EXIF: resolution, sizes, and a thumbnail of 100 bytes at its end.
std::vector<std::byte> camera_exif() {
  const auto number = [](std::uint16_t tag, std::uint32_t value) {
    return TiffField{tag, TiffType::u32, 1, TiffBytes(true).u32(value).take()};
  };
  const auto resolution = [](std::uint16_t tag) {
    return TiffField{tag, TiffType::rational, 1, TiffBytes(true).u32(72).u32(1).take()};
  };
  std::vector<TiffField> first{number(0x8769, 0), resolution(0x011a), resolution(0x011b)};
  const std::size_t second_at = 8 + make_directory(first, 8, true).size();
  first[0] = number(0x8769, static_cast<std::uint32_t>(second_at));
  const auto second = make_directory({number(0xa002, 24), number(0xa003, 16)}, second_at, true);
  const std::size_t third_at = second_at + second.size();
  std::vector<TiffField> third{number(0x0201, 0), number(0x0202, 100)};
  const std::size_t thumbnail_at = third_at + make_directory(third, third_at, true).size();
  third[0] = number(0x0201, static_cast<std::uint32_t>(thumbnail_at));
  TiffBytes exif(true);
  exif.text("MM").u16(42).u32(8).bytes(make_directory(first, 8, true)).bytes(second);
  auto bytes = exif.bytes(make_directory(third, third_at, true)).text(std::string(100, 'T')).take();
  set_u32(bytes, *TiffView(bytes).next_pointer(8), static_cast<std::uint32_t>(third_at), true);
  return bytes;
}

TEST(UpdateExif, DropsTheThumbnailAndSetsSizesAndResolution) {
  auto exif = camera_exif();
  const std::size_t size = exif.size();
  ASSERT_TRUE(TiffView(exif).next_directory(8));
  update_exif(exif, 6000, 70000, PixelDensity{144, 145});
  EXPECT_EQ(exif.size(), size - 100);
  const TiffView tiff(exif);
  EXPECT_FALSE(tiff.next_directory(8));
  const auto second = tiff.subdirectory(8, 0x8769);
  ASSERT_TRUE(second);
  EXPECT_EQ(tiff.whole_number(*tiff.find(*second, 0xa002)), 6000U);
  EXPECT_EQ(tiff.whole_number(*tiff.find(*second, 0xa003)), 70000U);
  EXPECT_EQ(read_exif_density(exif), (PixelDensity{144, 145}));
}

TEST(UpdateExif, LeavesBrokenDataAlone) {
  const auto whole = camera_exif();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    update_exif(cut, 1, 1, PixelDensity{1, 1});
    read_exif_density(cut);
    exif_of_tiff(cut);
    EXPECT_LE(cut.size(), size);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto damaged = whole;
    damaged[i] = std::byte{0xff};
    update_exif(damaged, 1, 1, PixelDensity{1, 1});
    exif_of_tiff(damaged);
  }
}

TEST(Exif, IsFoundWhereOlderProgramsPutIt) {
  const std::string tiff = "MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"s;
  std::string hex;
  for (const unsigned char c : "Exif\0\0"s + tiff) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += kDigits[c >> 4];
    hex += kDigits[c & 15];
  }
  const std::string raw = "\nexif\n      32\n" + hex.substr(0, 40) + "\n" + hex.substr(40) + "\n";
  for (const std::string& chunks : {chunk("eXIf", "Exif\0\0"s + tiff), chunk("tEXt", "Raw profile type exif\0"s + raw),
                                    chunk("tEXt", "Raw profile type APP1\0"s + raw)}) {
    const Image image = decoded_with(chunks);
    EXPECT_EQ(image.width(), 4) << "turned";
    EXPECT_EQ(read_orientation(image.metadata.exif), 1);
    EXPECT_THAT(image.metadata.text, IsEmpty());
  }
}

TEST(ExifOfTiff, KeepsWhatDescribesThePhotograph) {
  const auto exif = make_exif({"a comment", "a title"}, PixelDensity{300, 300});
  const ExifTexts texts = read_exif_texts(exif_of_tiff(exif));
  EXPECT_EQ(texts.comment, "a comment");
  EXPECT_EQ(texts.description, "a title");
  EXPECT_THAT(exif_of_tiff(make_exif({}, PixelDensity{300, 300})), IsEmpty()) << "only the density";
}

}  // namespace
}  // namespace fmboost
