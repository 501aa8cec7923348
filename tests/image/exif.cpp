#include "image/exif.h"

#include <gtest/gtest.h>

#include "image/latin1.h"
#include "image/utf16.h"
#include "images.h"

namespace fmboost {
namespace {

using namespace std::string_literals;
using test::bytes_of;

TEST(ExifTexts, ReadingReturnsTheWrittenTexts) {
  for (const ExifTexts& texts : {ExifTexts{"a cat\n\u00e9\U0001f600", "{\"schema\":1}"}, ExifTexts{"", "{}"},
                                 ExifTexts{"x", ""}, ExifTexts{std::string(5000, 'p'), std::string(3000, 'd')}}) {
    const auto read = read_exif_texts(make_exif(texts));
    EXPECT_EQ(read.comment, texts.comment);
    EXPECT_EQ(read.description, texts.description);
  }
}

// The same field with the low byte first, as little-endian writers have it.
TEST(ExifTexts, ByteOrderOfTheStructureIsUsed) {
  const auto exif = bytes_of(
      "II\x2a\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0"
      "\x01\0\x86\x92\x07\0\x0c\0\0\0\x2c\0\0\0\0\0\0\0UNICODE\0h\0\xe9\0"s);
  EXPECT_EQ(read_exif_texts(exif).comment, "h\u00e9");
}

TEST(ExifTexts, TextsInAnotherCodeAreIgnored) {
  auto exif = make_exif({"comment", "description"});
  const auto at = test::text_of(exif).find("UNICODE");
  exif[at] = std::byte{'A'};
  EXPECT_EQ(read_exif_texts(exif).comment, "");
  EXPECT_EQ(read_exif_texts(exif).description, "description");
}

TEST(Exif, InconsistentStructureGivesNothing) {
  const auto whole = make_exif({"comment", "description"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(read_orientation(cut).has_value());
    reset_orientation(cut);
    EXPECT_NE(read_exif_texts(cut).comment, "comment");
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto damaged = whole;
    damaged[i] = std::byte{0xff};
    reset_orientation(damaged);
    read_exif_texts(damaged);
  }
}

TEST(Utf16, EncodesAllOfUnicode) {
  for (const auto* text : {"", "plain", "caf\u00e9", "\u4e2d\uffff", "\U00010000\U0001f600\U0010ffff"}) {
    EXPECT_EQ(utf16_to_utf8(utf8_to_utf16be(text), true), text);
  }
  EXPECT_EQ(utf8_to_utf16be("A\U0001f600"), "\0A\xd8\x3d\xde\0"s);
}

TEST(Utf16, ReplacesLoneSurrogatesAndIgnoresHalfAUnit) {
  EXPECT_EQ(utf16_to_utf8("\xd8\x3d\0A"s, true), "\ufffdA");
  EXPECT_EQ(utf16_to_utf8("\xde\0\xd8\x3d"s, true), "\ufffd\ufffd");
  EXPECT_EQ(utf16_to_utf8("A\0B"s, false), "A");
}

TEST(Latin1, RoundTrips) {
  for (int byte = 1; byte < 256; ++byte) {
    const std::string latin1(1, static_cast<char>(byte));
    std::string back;
    const bool text = byte == '\n' || (byte >= 0x20 && byte < 0x80) || byte >= 0xa0;
    EXPECT_EQ(utf8_to_latin1(latin1_to_utf8(latin1), back), text) << byte;
    EXPECT_TRUE(!text || back == latin1) << byte;
  }
}

TEST(Latin1, BrokenUtf8IsRefused) {
  std::string back;
  for (const auto* text : {"\xc3", "\xc3\x41", "\xa0", "\xc3\xc3"}) {
    EXPECT_FALSE(utf8_to_latin1(text, back));
  }
}

}  // namespace
}  // namespace fmboost
