#include "image/write/webp_writer.h"

#include <memory>
#include <span>
#include <string>
#include <webp/encode.h>
#include <webp/mux.h>

#include "fmboost/core/error.h"

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

// Owns the output of the libwebp encoder.
struct Encoded {
  WebPMemoryWriter writer{};
  Encoded() { WebPMemoryWriterInit(&writer); }
  ~Encoded() { WebPMemoryWriterClear(&writer); }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
};

void encode_pixels(const PixelRows& rows, int quality, Encoded& encoded) {
  WebPConfig config;
  WebPConfigInit(&config);
  if (quality == 100) {
    WebPConfigLosslessPreset(&config, 6);
    config.exact = 1;
  } else {
    config.quality = static_cast<float>(quality);
    config.use_sharp_yuv = 1;
  }
  WebPPicture frame;
  WebPPictureInit(&frame);
  frame.use_argb = 1;
  frame.width = static_cast<int>(rows.width());
  frame.height = static_cast<int>(rows.height());
  frame.writer = WebPMemoryWrite;
  frame.custom_ptr = &encoded.writer;
  const std::vector<std::byte> bytes = rows.read_all();
  const auto* samples = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto stride = static_cast<int>(rows.row_bytes());
  const bool imported = (rows.layout().alpha ? WebPPictureImportRGBA(&frame, samples, stride)
                                             : WebPPictureImportRGB(&frame, samples, stride)) != 0;
  const bool good = imported && WebPEncode(&config, &frame) != 0;
  const int code = frame.error_code;
  WebPPictureFree(&frame);
  if (!good) {
    throw Error("the WebP could not be encoded (libwebp error " + std::to_string(code) + ")");
  }
}

}  // namespace

std::vector<std::byte> write_webp(const PixelRows& rows, const ImageMetadata& metadata, int quality) {
  Encoded encoded;
  encode_pixels(rows, quality, encoded);
  const WebPData frame{encoded.writer.mem, encoded.writer.size};
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&frame, 1), &WebPMuxDelete);
  const auto put = [&](const char* fourcc, std::span<const std::byte> chunk) {
    const WebPData data = WebPData{reinterpret_cast<const std::uint8_t*>(chunk.data()), chunk.size()};
    return data.size == 0 || WebPMuxSetChunk(mux.get(), fourcc, &data, 1) == WEBP_MUX_OK;
  };
  WebPData assembled{};
  if (!mux || !put("ICCP", metadata.icc_profile) || !put("EXIF", metadata.exif) ||
      !put("XMP ", std::as_bytes(std::span(metadata.xmp))) || WebPMuxAssemble(mux.get(), &assembled) != WEBP_MUX_OK) {
    throw Error("the metadata of the WebP could not be written");
  }
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&assembled, &WebPDataClear);
  return copy_bytes(assembled.bytes, assembled.size);
}

}  // namespace fmboost
