#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"

#include "images.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using namespace test;
using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string complaint(const ImageBytes& bytes, const DecodeLimits& limits = {}) {
  return thrown<Error>([&] { decode_image(bytes, "in/photo.png", limits); });
}

// True for an image; false for an Error that names the file. Anything else is a failure.
bool decodes(const ImageBytes& bytes, const DecodeLimits& limits = {}) {
  try {
    samples_of(decode_image(bytes, "photo", limits));
    return true;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("'photo' "));
    return false;
  }
}

class DamagedFiles : public testing::Test {
 protected:
  DamagedFiles() { configure_logging(Verbosity::quiet); }
  ~DamagedFiles() override { configure_logging(Verbosity::normal); }
};

struct Source {
  const char* name;
  std::size_t unneeded;  // bytes at the end that the first image does not need: the end chunk of a PNG, for one
};

constexpr Source kSources[] = {{"rgb.png", 12},        {"gray_alpha.png", 12}, {"palette_transparent.png", 12},
                               {"rgb16.png", 12},      {"animated.png", 93},   {"gray.jpg", 2},
                               {"progressive.jpg", 2}, {"rotated.jpg", 2},     {"cmyk.jpg", 2},
                               {"lossless.webp", 0},   {"still.gif", 1},      {"rgb.bmp", 2},
                               {"rgb.tga", 26},        {"rgb.ppm", 0},        {"gray.pgm", 0},
                               {"rgb.psd", 0}};

TEST_F(DamagedFiles, EmptyFilesAreRefused) {
  EXPECT_EQ(complaint({}), "'in/photo.png' is empty");
}

TEST_F(DamagedFiles, ForeignFilesAreRefused) {
  const std::pair<std::string, const char*> files[] = {{"x", "known format"},
                                                       {"hello", "known format"},
                                                       {std::string(1000, '\xff'), "known format"},
                                                       {std::string(1000, '\0'), "nothing but zeros"},
                                                       {"%PDF-1.7\n", "PDF"},
                                                       {"<svg/>", "SVG"}};
  for (const auto& [text, said] : files) {
    EXPECT_THAT(complaint(bytes_of(text)), AllOf(StartsWith("'in/photo.png' "), HasSubstr(said)));
  }
}

TEST_F(DamagedFiles, TruncationAtAnyByteIsHandled) {
  for (const auto& [name, unneeded] : kSources) {
    const auto whole = image_file(name);
    ASSERT_TRUE(decodes({whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(unneeded)})) << name;
    for (std::size_t size = 0; size + unneeded < whole.size(); ++size) {
      EXPECT_FALSE(decodes({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}))
          << name << " cut to " << size << " bytes";
    }
  }
}

TEST_F(DamagedFiles, AnyWrongByteGivesAnImageOrAnError) {
  for (const auto& source : kSources) {
    const auto whole = image_file(source.name);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      auto damaged = whole;
      damaged[i] ^= std::byte{0xff};
      decodes(damaged);
    }
  }
}

TEST_F(DamagedFiles, AnyWrongByteOfAPngIsNoticed) {
  constexpr std::size_t kEndChunk = 12;  // without it, the image is complete
  const auto whole = image_file("rgb.png");
  for (std::size_t i = 0; i + kEndChunk < whole.size(); ++i) {
    auto damaged = whole;
    damaged[i] ^= std::byte{1};
    EXPECT_FALSE(decodes(damaged)) << "byte " << i;
  }
}

TEST_F(DamagedFiles, RandomBytesAfterAMagicNumberAreRefused) {
  for (const auto& magic : {""s, "\x89PNG\r\n\x1a\n"s, "\xff\xd8\xff"s, "RIFF\x40\0\0\0WEBPVP8 "s, "GIF89a"s, "BM"s,
                            "8BPS"s, "P6 3 3 255\n"s}) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto noise = random_samples(1, 200, 1, seed);
      auto bytes = bytes_of(magic);
      const auto* data = reinterpret_cast<const std::byte*>(noise.data_ptr());
      bytes.insert(bytes.end(), data, data + noise.numel());
      decodes(bytes, {.max_pixels = 100'000});
    }
  }
}

// Puts a number of `size` bytes, high byte first.
void put(ImageBytes& bytes, std::size_t at, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + i] = static_cast<std::byte>(value >> 8 * (size - 1 - i));
  }
}

std::vector<ImageBytes> headers_of_60000_a_side() {
  auto jpeg = image_file("gray.jpg");
  const auto frame = text_of(jpeg).find("\xff\xc0");  // SOF0: marker, length, precision, height, width
  put(jpeg, frame + 5, 60000, 2);
  put(jpeg, frame + 7, 60000, 2);
  auto bmp = image_file("rgb.bmp");
  for (const std::size_t at : {18, 22}) {
    put(bmp, at, 0x60ea0000, 4);  // 60000, low byte first
  }
  const auto webp = bytes_of("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x5f\xea\0\x5f\xea\0"s);
  return {image_file("header_60000.png"), jpeg, bmp, webp, bytes_of("P6 60000 60000 255\n123")};
}

TEST_F(DamagedFiles, HugeHeadersAreRefusedBeforeAnythingIsAllocated) {
  for (const auto& bytes : headers_of_60000_a_side()) {
    const auto decode = [&] {
      EXPECT_THAT(complaint(bytes), AllOf(StartsWith("'in/photo.png' "), HasSubstr("too large"),
                                          HasSubstr("60000x60000"), HasSubstr("32768")));
    };
    EXPECT_LT(peak_tensor_memory(torch::kCPU, decode), 1024);
  }
}

TEST_F(DamagedFiles, LimitsAreExact) {
  const auto bytes = image_file("rgb.png");  // 6x4
  EXPECT_NO_THROW(decode_image(bytes, "photo", {.max_side = 6, .max_pixels = 24}));
  EXPECT_THAT(complaint(bytes, {.max_side = 5}), HasSubstr("6x4"));
  EXPECT_THAT(complaint(bytes, {.max_pixels = 23}), AllOf(HasSubstr("6x4"), HasSubstr("23 pixels")));
}

// Every scan of a progressive JPEG costs as much as the whole image.
TEST_F(DamagedFiles, JpegsWithEndlessScansAreRefused) {
  const auto jpeg = text_of(image_file("progressive.jpg"));
  const auto last_scan = jpeg.rfind("\xff\xda");
  const auto scan = jpeg.substr(last_scan, jpeg.size() - 2 - last_scan);
  std::string many = jpeg.substr(0, jpeg.size() - 2);
  for (int i = 0; i < 600; ++i) {
    many += scan;
  }
  EXPECT_THAT(complaint(bytes_of(many + "\xff\xd9")), HasSubstr("500 scans"));
}

// The end of a GIF without an image in it.
TEST_F(DamagedFiles, GifsWithoutAnImageAreRefused) {
  EXPECT_THAT(complaint(bytes_of("GIF89a\x01\0\x01\0\0\0\0;"s)), HasSubstr("damaged"));
}

}  // namespace
}  // namespace fmboost
