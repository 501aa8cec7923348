#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/log.h"

#include "image/exif.h"
#include "images.h"

namespace fmboost {
namespace {

using namespace test;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using Texts = std::vector<std::pair<std::string, std::string>>;

Image with_text(const Texts& text) {
  Image image = image_of(pattern());
  image.metadata.text = text;
  return image;
}

std::string encoded(const Image& image, ImageFormat format = ImageFormat::png) {
  return text_of(encode_image(image, {.format = format}));
}

TEST(PngText, IsLatin1IfPossible) {
  EXPECT_THAT(encoded(with_text({{"parameters", "a cat\nSteps: 4"}})), HasSubstr("tEXtparameters\0a cat\nSteps: 4"s));
  EXPECT_THAT(encoded(with_text({{"parameters", "caf\u00e9 \u00ff"}})), HasSubstr("tEXtparameters\0caf\xe9 \xff"s));
}

TEST(PngText, IsUtf8IfLatin1IsNotEnough) {
  for (const std::string text : {"\u4e2d\u6587", "caf\u00e9 \u2014 \U0001f600", "\u0100", "\u0080", "tab\t", "\x01"}) {
    EXPECT_THAT(encoded(with_text({{"parameters", text}})), HasSubstr("iTXtparameters\0\0\0\0\0"s + text)) << text;
  }
}

TEST(PngText, OwnTextIsAlwaysUtf8) {
  EXPECT_THAT(encoded(with_text({{"fmboost", "{\"schema\":1}"}})), HasSubstr("iTXtfmboost\0\0\0\0\0{\"schema\":1}"s));
}

TEST(PngText, OrderIsKept) {
  const Texts texts{{"parameters", "caf\u00e9, \U0001f600\nNegative prompt: \u00fc"},
                    {"Software", "something else"},
                    {"Software", "twice"},
                    {"Sch\u00f6pfer", "a keyword in Latin-1"},
                    {"fmboost", "{\"schema\":1}"},
                    {"Comment", std::string(100'000, 'x')}};
  EXPECT_EQ(round_trip(with_text(texts), {}).metadata.text, texts);
}

TEST(PngText, UnrepresentableTextIsDropped) {
  const Image image = round_trip(with_text({{"empty", ""},
                                            {"", "no keyword"},
                                            {std::string(80, 'k'), "long keyword"},
                                            {"\u4e2d", "keyword beyond Latin-1"},
                                            {std::string(79, 'k'), "longest keyword"}}),
                                 {});
  EXPECT_THAT(image.metadata.text, ElementsAre(Pair(std::string(79, 'k'), "longest keyword")));
}

TEST(PngText, NoTextWritesNoChunk) {
  const auto bytes = encoded(with_text({}));
  EXPECT_THAT(bytes, Not(HasSubstr("EXt")));
  EXPECT_THAT(bytes, Not(HasSubstr("eXIf")));
  EXPECT_THAT(bytes, Not(HasSubstr("iCCP")));
}

TEST(UserComment, HoldsTheParametersOfJpegsAndWebps) {
  const Texts texts{{"parameters", "caf\u00e9, \U0001f600\nSteps: 4"}, {"fmboost", "{\"schema\":1,\"seed\":42}"}};
  for (const auto format : {ImageFormat::jpeg, ImageFormat::webp}) {
    EXPECT_THAT(encoded(with_text(texts), format), HasSubstr("UNICODE\0\0c\0a\0f\0\xe9\0,\0 \xd8\x3d\xde\0\0\n\0S"s));
    const Image image = round_trip(with_text(texts), {.format = format});
    EXPECT_EQ(image.metadata.text, texts);
    EXPECT_THAT(image.metadata.exif, IsEmpty()) << "the texts are ours";
  }
}

TEST(UserComment, WorksWithoutADescription) {
  const Texts texts{{"parameters", "a cat"}};
  const Image image = round_trip(with_text(texts), {.format = ImageFormat::jpeg});
  EXPECT_EQ(image.metadata.text, texts);
}

TEST(UserComment, OtherTextsAreDropped) {
  EXPECT_THAT(encoded(with_text({{"Software", "secret"}}), ImageFormat::jpeg), Not(HasSubstr("secret")));
  EXPECT_THAT(encoded(with_text({}), ImageFormat::jpeg), Not(HasSubstr("Exif")));
  EXPECT_THAT(encoded(with_text({}), ImageFormat::webp), Not(HasSubstr("EXIF")));
}

TEST(Exif, CameraDataIsKeptInEveryFormat) {
  const Image photo = decode_image(image_file("rotated.jpg"), "rotated.jpg");
  ASSERT_EQ(read_orientation(photo.metadata.exif), 1);
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    Image source = image_of(pattern());
    source.metadata.exif = photo.metadata.exif;
    source.metadata.text = {{"parameters", "a cat"}};
    const Image image = round_trip(source, {.format = format});
    EXPECT_EQ(image.metadata.exif, photo.metadata.exif);
    EXPECT_EQ(image.metadata.text.size(), format == ImageFormat::png ? 1U : 0U) << "the camera's EXIF comes first";
  }
}

TEST(Metadata, TextsAreReadWithoutThePixels) {
  Image source = image_of(pattern());
  source.metadata.text = {{"parameters", "a prompt"}, {"fmboost", "{\"schema\":1}"}};
  for (const auto format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    const auto bytes = encode_image(source, {.format = format});
    EXPECT_EQ(read_metadata(bytes, "image").text, source.metadata.text);
    EXPECT_EQ(read_metadata(bytes, "image").text, decode_image(bytes, "image").metadata.text);
  }
}

TEST(Exif, DataTooLargeForAJpegIsDroppedWithAWarning) {
  Image source = image_of(pattern());
  source.metadata.exif = bytes_of("MM\0\x2a\0\0\0\x08"s);
  source.metadata.exif.resize(65'528);
  configure_logging(Verbosity::normal);
  testing::internal::CaptureStderr();
  const Image image = round_trip(source, {.format = ImageFormat::jpeg});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: the EXIF data are too large for JPEG and are omitted\n");
  EXPECT_THAT(image.metadata.exif, IsEmpty());
  source.metadata.exif.resize(65'527);
  EXPECT_EQ(round_trip(source, {.format = ImageFormat::jpeg}).metadata.exif, source.metadata.exif);
}

// JPEG and WebP hold any bytes under that name, PNG does not.
TEST(Exif, ForeignBytesAreDropped) {
  for (const auto& text : {"x"s, "not a TIFF structure"s, "MM\0\x2b\0\0\0\x08"s, "II\x2a\0"s}) {
    Image source = image_of(pattern());
    source.metadata.exif = bytes_of(text);
    for (const auto format : {ImageFormat::jpeg, ImageFormat::webp}) {
      const Image image = round_trip(source, {.format = format});
      EXPECT_THAT(image.metadata.exif, IsEmpty()) << text;
      EXPECT_NO_THROW(encode_image(image, {}));
    }
  }
}

TEST(Exif, JpegPrefixIsAcceptedInWebps) {
  Image source = image_of(pattern());
  const auto exif = decode_image(image_file("rotated.jpg"), "rotated.jpg").metadata.exif;
  source.metadata.exif = bytes_of("Exif\0\0"s + text_of(exif));
  EXPECT_EQ(round_trip(source, {.format = ImageFormat::webp}).metadata.exif, exif);
}

}  // namespace
}  // namespace fmboost
