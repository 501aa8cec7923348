#include <memory>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/raw_image.h"

namespace fmboost {
namespace {

WebPData as_webp(Bytes bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> read_chunk(WebPDemuxer* demuxer, const char* fourcc) {
  WebPChunkIterator iterator;
  std::vector<std::byte> chunk;
  if (WebPDemuxGetChunk(demuxer, fourcc, 1, &iterator) != 0) {
    chunk = copy_bytes(iterator.chunk.bytes, iterator.chunk.size);
  }
  WebPDemuxReleaseChunkIterator(&iterator);
  return chunk;
}

// Some writers put the prefix of JPEG before the TIFF structure.
std::vector<std::byte> without_exif_prefix(std::vector<std::byte> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  const std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
  if (text.substr(0, kPrefix.size()) == kPrefix) {
    exif.erase(exif.begin(), exif.begin() + static_cast<std::ptrdiff_t>(kPrefix.size()));
  }
  return exif;
}

bool decode_first_frame(const WebPData& data, std::uint8_t* out, std::size_t size) {
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   &WebPAnimDecoderDelete);
  std::uint8_t* frame = nullptr;
  int time = 0;
  if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &frame, &time) == 0) {
    return false;
  }
  std::copy(frame, frame + size, out);
  return true;
}

// Owns the output of the libwebp encoder.
struct Encoded {
  WebPMemoryWriter writer{};
  Encoded() { WebPMemoryWriterInit(&writer); }
  ~Encoded() { WebPMemoryWriterClear(&writer); }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
};

void encode_pixels(const PackedImage& image, int quality, Encoded& encoded) {
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
  frame.width = static_cast<int>(image.width());
  frame.height = static_cast<int>(image.height());
  frame.writer = WebPMemoryWrite;
  frame.custom_ptr = &encoded.writer;
  const auto* samples = image.samples.data_ptr<std::uint8_t>();
  const int stride = frame.width * (image.has_alpha() ? 4 : 3);
  const bool imported = (image.has_alpha() ? WebPPictureImportRGBA(&frame, samples, stride)
                                           : WebPPictureImportRGB(&frame, samples, stride)) != 0;
  const bool good = imported && WebPEncode(&config, &frame) != 0;
  const int code = frame.error_code;
  WebPPictureFree(&frame);
  if (!good) {
    throw Error("the WebP could not be encoded (libwebp error " + std::to_string(code) + ")");
  }
}

}  // namespace

ImageMetadata read_webp_metadata(Bytes bytes) {
  const WebPData data = as_webp(bytes);
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), &WebPDemuxDelete);
  ImageMetadata metadata;
  if (demuxer) {
    metadata.icc_profile = read_chunk(demuxer.get(), "ICCP");
    metadata.exif = without_exif_prefix(read_chunk(demuxer.get(), "EXIF"));
  }
  return metadata;
}

RawImage decode_webp(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  const WebPData data = as_webp(bytes);
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK) {
    fail_decoding(name, "is a damaged or truncated WebP");
  }
  check_dimensions(features.width, features.height, limits, name);
  RawImage image;
  image.format = "webp";
  const torch::Tensor rgba = torch::empty({features.height, features.width, 4}, torch::kUInt8);
  auto* out = rgba.data_ptr<std::uint8_t>();
  bool good = false;
  if (features.has_animation != 0) {
    log_warning("'" + name + "' is animated; only its first frame is used");
    good = decode_first_frame(data, out, rgba.nbytes());
  } else {
    good = WebPDecodeRGBAInto(data.bytes, data.size, out, rgba.nbytes(), features.width * 4) != nullptr;
  }
  if (!good) {
    fail_decoding(name, "is a damaged or truncated WebP");
  }
  image.samples = rgba.slice(2, 0, 3).contiguous();
  if (features.has_alpha != 0) {
    image.alpha = rgba.select(2, 3).contiguous();
  }
  image.metadata = read_webp_metadata(bytes);
  return image;
}

std::vector<std::byte> encode_webp(const PackedImage& image, int quality) {
  if (image.width() > WEBP_MAX_DIMENSION || image.height() > WEBP_MAX_DIMENSION) {
    throw Error("WebP supports at most " + std::to_string(WEBP_MAX_DIMENSION) + " pixels per side; write a PNG");
  }
  Encoded encoded;
  encode_pixels(image, quality, encoded);
  const WebPData frame{encoded.writer.mem, encoded.writer.size};
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&frame, 1), &WebPMuxDelete);
  const auto put = [&](const char* fourcc, const std::vector<std::byte>& chunk) {
    const WebPData data = as_webp(chunk);
    return chunk.empty() || WebPMuxSetChunk(mux.get(), fourcc, &data, 1) == WEBP_MUX_OK;
  };
  WebPData assembled{};
  if (!mux || !put("ICCP", image.metadata.icc_profile) || !put("EXIF", image.metadata.exif) ||
      WebPMuxAssemble(mux.get(), &assembled) != WEBP_MUX_OK) {
    throw Error("the metadata of the WebP could not be written");
  }
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&assembled, &WebPDataClear);
  return copy_bytes(assembled.bytes, assembled.size);
}

}  // namespace fmboost
