#include <algorithm>
#include <memory>
#include <spng.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/read/png_metadata.h"
#include "image/read/raw_image.h"

namespace fmboost {
namespace {

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

constexpr std::size_t kMaxChunk = std::size_t{64} << 20;

void require(int result, const std::string& name) {
  if (result != 0) {
    fail_decoding(name, std::string("is a damaged PNG: ") + spng_strerror(result));
  }
}

// Missing chunks are not an error.
bool present(int result, const std::string& name) {
  if (result != SPNG_ECHUNKAVAIL) {
    require(result, name);
  }
  return result == 0;
}

// Whether the file says so before its image: the chunk acTL, https://www.w3.org/TR/png-3/#acTL-chunk.
bool is_animated(Bytes bytes) {
  const auto u32 = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
    }
    return value;
  };
  for (std::size_t at = 8; at + 12 <= bytes.size() && !starts_with(bytes, "IDAT", at + 4);) {
    if (starts_with(bytes, "acTL", at + 4)) {
      return u32(at + 8) > 1;
    }
    at += std::size_t{12} + u32(at);
  }
  return false;
}

// Splits RGBA samples; gray images have three equal channels, of which one is kept.
void split_channels(const torch::Tensor& rgba, bool gray, bool alpha, RawImage& image) {
  image.model = gray ? ColorModel::gray : ColorModel::rgb;
  image.samples = rgba.slice(2, 0, gray ? 1 : 3).contiguous();
  if (alpha) {
    image.alpha = rgba.select(2, 3).contiguous();
  }
}

Context open_context(Bytes bytes, const std::string& name) {
  Context context(spng_ctx_new(0), &spng_ctx_free);
  spng_set_chunk_limits(context.get(), kMaxChunk, 4 * kMaxChunk);
  spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR);
  require(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()), name);
  return context;
}

}  // namespace

ImageMetadata read_png_metadata(Bytes bytes, const std::string& name) {
  RawImage image;
  read_png_chunks(bytes, name, image);
  return image.metadata;
}

RawImage decode_png(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  // Metadata are read on their own, so that damage there does not cost the image.
  const PngImageChunks chunks = image_chunks(bytes);
  const Context context = open_context(chunks.file, name);
  spng_ihdr header{};
  require(spng_get_ihdr(context.get(), &header), name);
  check_dimensions(header.width, header.height, limits, name);
  spng_trns transparency{};
  const bool has_transparency = present(spng_get_trns(context.get(), &transparency), name);

  RawImage image;
  image.format = "png";
  const bool deep = header.bit_depth == 16;
  const std::int64_t height = header.height;
  const std::int64_t width = header.width;
  const torch::Tensor rgba = torch::empty({height, width, 4}, deep ? torch::kInt16 : torch::kUInt8);
  require(spng_decode_image(context.get(), rgba.data_ptr(), rgba.nbytes(), deep ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8,
                            SPNG_DECODE_TRNS),
          name);
  require(spng_decode_chunks(context.get()), name);
  const bool gray =
      header.color_type == SPNG_COLOR_TYPE_GRAYSCALE || header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
  const bool alpha = has_transparency || header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                     header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
  split_channels(as_unsigned(rgba), gray, alpha, image);
  if (header.color_type == SPNG_COLOR_TYPE_INDEXED) {
    keep_gray_palette(image);
  }
  image.maximum = deep ? 65535 : 255;
  if (!chunks.complete) {
    log_warning("'" + name + "' ends early; all of its rows are there");
  }
  read_png_chunks(bytes, name, image);
  if (is_animated(bytes)) {
    log_warning("'" + name + "' is animated; only its first frame is used");
  }
  return image;
}

}  // namespace fmboost
