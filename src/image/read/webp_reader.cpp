#include <memory>
#include <webp/decode.h>
#include <webp/demux.h>

#include "fmboost/core/log.h"

#include "image/exif.h"
#include "image/read/raw_image.h"

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

}  // namespace

ImageMetadata read_webp_metadata(Bytes bytes) {
  const WebPData data = as_webp(bytes);
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), &WebPDemuxDelete);
  ImageMetadata metadata;
  if (demuxer) {
    metadata.icc_profile = read_chunk(demuxer.get(), "ICCP");
    metadata.exif = without_exif_prefix(read_chunk(demuxer.get(), "EXIF"));
    const std::vector<std::byte> xmp = read_chunk(demuxer.get(), "XMP ");
    metadata.xmp.assign(reinterpret_cast<const char*>(xmp.data()), xmp.size());
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

}  // namespace fmboost
