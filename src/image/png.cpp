#include <algorithm>
#include <cstring>
#include <memory>
#include <spng.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/latin1.h"
#include "image/raw_image.h"

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

void read_text(spng_ctx* context, const std::string& name, ImageMetadata& metadata) {
  std::uint32_t count = 0;
  if (!present(spng_get_text(context, nullptr, &count), name)) {
    return;
  }
  std::vector<spng_text> chunks(count);
  require(spng_get_text(context, chunks.data(), &count), name);
  for (const auto& chunk : chunks) {
    const std::string text(chunk.text, chunk.length);
    metadata.text.emplace_back(latin1_to_utf8(chunk.keyword), chunk.type == SPNG_ITXT ? text : latin1_to_utf8(text));
  }
}

void read_metadata(spng_ctx* context, const std::string& name, ImageMetadata& metadata) {
  spng_iccp icc{};
  if (present(spng_get_iccp(context, &icc), name)) {
    metadata.icc_profile = copy_bytes(icc.profile, icc.profile_len);
  }
  spng_exif exif{};
  if (present(spng_get_exif(context, &exif), name)) {
    metadata.exif = copy_bytes(exif.data, exif.length);
  }
  read_text(context, name, metadata);
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

// Text chunks for libspng, which accepts neither empty texts nor keywords that are invalid in PNG; `storage` owns the
// data that they point to.
std::vector<spng_text> text_chunks(const ImageMetadata& metadata, std::vector<std::string>& storage) {
  std::vector<spng_text> chunks;
  storage.reserve(metadata.text.size());
  for (const auto& [keyword, text] : metadata.text) {
    spng_text chunk{};
    std::string name;
    if (text.empty() || keyword.empty() || !utf8_to_latin1(keyword, name) || name.size() >= sizeof chunk.keyword) {
      continue;
    }
    std::memcpy(chunk.keyword, name.data(), name.size());
    std::string latin1;
    const bool plain = keyword != "fmboost" && utf8_to_latin1(text, latin1);
    storage.push_back(plain ? latin1 : text);
    chunk.type = plain ? SPNG_TEXT : SPNG_ITXT;
    chunk.text = storage.back().data();
    chunk.length = storage.back().size();
    static char empty[] = "";
    chunk.language_tag = empty;
    chunk.translated_keyword = empty;
    chunks.push_back(chunk);
  }
  return chunks;
}

void require_written(int result) {
  if (result != 0) {
    throw Error(std::string("the PNG could not be encoded: ") + spng_strerror(result));
  }
}

void write_metadata(spng_ctx* context, const ImageMetadata& metadata, std::vector<std::string>& storage) {
  if (!metadata.icc_profile.empty()) {
    spng_iccp icc{};
    std::strncpy(icc.profile_name, "ICC profile", sizeof icc.profile_name - 1);
    icc.profile_len = metadata.icc_profile.size();
    icc.profile = const_cast<char*>(reinterpret_cast<const char*>(metadata.icc_profile.data()));
    require_written(spng_set_iccp(context, &icc));
  }
  if (!metadata.exif.empty()) {
    spng_exif exif{};
    exif.length = metadata.exif.size();
    exif.data = const_cast<char*>(reinterpret_cast<const char*>(metadata.exif.data()));
    require_written(spng_set_exif(context, &exif));
  }
  auto chunks = text_chunks(metadata, storage);
  if (!chunks.empty()) {
    require_written(spng_set_text(context, chunks.data(), static_cast<std::uint32_t>(chunks.size())));
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
  const Context context = open_context(bytes, name);
  ImageMetadata metadata;
  read_metadata(context.get(), name, metadata);
  return metadata;
}

RawImage decode_png(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  const Context context = open_context(bytes, name);
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
  // 16-bit samples are unsigned; PyTorch only computes with signed ones.
  split_channels(deep ? rgba.to(torch::kInt32).bitwise_and(0xffff) : rgba, gray, alpha, image);
  image.maximum = deep ? 65535 : 255;
  read_metadata(context.get(), name, image.metadata);
  if (is_animated(bytes)) {
    log_warning("'" + name + "' is animated; only its first frame is used");
  }
  return image;
}

std::vector<std::byte> encode_png(const PackedImage& image, int compression_level) {
  const Context context(spng_ctx_new(SPNG_CTX_ENCODER), &spng_ctx_free);
  require_written(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  require_written(spng_set_option(context.get(), SPNG_IMG_COMPRESSION_LEVEL, compression_level));
  // Trying all filters on every row takes three times as long and saves little.
  require_written(spng_set_option(context.get(), SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_UP));
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(image.width());
  header.height = static_cast<std::uint32_t>(image.height());
  header.bit_depth = 8;
  header.color_type = image.has_alpha() ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR;
  require_written(spng_set_ihdr(context.get(), &header));
  std::vector<std::string> storage;
  write_metadata(context.get(), image.metadata, storage);
  require_written(spng_encode_image(context.get(), image.samples.data_ptr(), image.samples.nbytes(), SPNG_FMT_PNG,
                                    SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, decltype(&std::free)> data(spng_get_png_buffer(context.get(), &size, &error), &std::free);
  require_written(error);
  return copy_bytes(data.get(), size);
}

}  // namespace fmboost
