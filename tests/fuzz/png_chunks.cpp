// PNG files of one pixel with chunks that the input makes up, their checksums being right: what a fuzzer does not find
// by itself.
#include <array>
#include <fuzzer/FuzzedDataProvider.h>
#include <zlib.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"

#include "require.h"

using namespace fmboost;

namespace {

void append_u32(std::string& out, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

void append_chunk(std::string& png, const std::string& type, const std::string& body) {
  const std::string checked = type + body;
  append_u32(png, body.size());
  png += checked;
  append_u32(png, ::crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size())));
}

std::string deflated(const std::string& text) {
  uLongf size = ::compressBound(text.size());
  std::string out(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size());
  out.resize(size);
  return out;
}

std::string make_png(FuzzedDataProvider& input) {
  static constexpr std::array kTypes{"tEXt", "zTXt", "iTXt", "iCCP", "eXIf", "acTL", "tRNS", "pHYs",
                                     "cICP", "PLTE", "gAMA", "cHRM", "sBIT", "tIME", "IDAT", "quux"};
  static constexpr std::array kColorTypes{'\0', '\2', '\3', '\4', '\6'};
  std::string png = "\x89PNG\r\n\x1a\n";
  std::string header("\0\0\0\1\0\0\0\1", 8);
  header += static_cast<char>(1 << input.ConsumeIntegralInRange(0, 4));
  header += input.PickValueInArray(kColorTypes);
  append_chunk(png, "IHDR", header + std::string(3, '\0'));
  while (input.remaining_bytes() > 0) {
    const std::string type = input.PickValueInArray(kTypes);
    std::string body = input.ConsumeRandomLengthString();
    if (input.ConsumeBool()) {
      body += deflated(input.ConsumeRandomLengthString());
    }
    append_chunk(png, type, body);
  }
  append_chunk(png, "IDAT", deflated(std::string(9, '\0')));
  append_chunk(png, "IEND", "");
  return png;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  configure_logging(Verbosity::quiet);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const std::string png = make_png(input);
  Image image;
  try {
    image = decode_image(std::as_bytes(std::span(png)), "image");
  } catch (const Error& error) {
    REQUIRE(std::string(error.what()).find("'image' ") == 0);
    return 0;
  }
  const Image again = decode_image(encode_image(image, {}), "again");
  REQUIRE(again.metadata.exif.size() <= image.metadata.exif.size());  // a thumbnail is dropped
  REQUIRE(again.metadata.icc_profile == image.metadata.icc_profile);
  REQUIRE(again.metadata.text.size() <= image.metadata.text.size());
  for (const auto format : {ImageFormat::jpeg, ImageFormat::webp, ImageFormat::tiff}) {
    encode_image(image, {.format = format});
  }
  return 0;
}
