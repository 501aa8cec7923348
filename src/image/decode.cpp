#include "fmboost/image/decode.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/color_profile.h"
#include "image/exif.h"
#include "image/read/raw_image.h"
#include "image/xmp.h"

namespace fmboost {
namespace {

bool is_png(Bytes bytes) {
  return starts_with(bytes, "\x89PNG\r\n\x1a\n");
}
bool is_jpeg(Bytes bytes) {
  return starts_with(bytes, "\xff\xd8\xff");
}
bool is_webp(Bytes bytes) {
  return starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8);
}

RawImage decode_raw(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  if (bytes.empty()) {
    fail_decoding(name, "is empty");
  }
  if (is_png(bytes)) {
    return decode_png(bytes, name, limits);
  }
  if (is_jpeg(bytes)) {
    return decode_jpeg(bytes, name, limits);
  }
  if (is_webp(bytes)) {
    return decode_webp(bytes, name, limits);
  }
  if (is_tiff(bytes)) {
    return decode_tiff(bytes, name, limits);
  }
  if (is_pnm(bytes)) {
    return decode_pnm(bytes, name, limits);
  }
  if (is_bmp(bytes)) {
    return decode_bmp(bytes, name, limits);
  }
#ifdef FMBOOST_HAS_AVIF
  if (is_avif(bytes)) {
    return decode_avif(bytes, name, limits);
  }
#endif
#ifdef FMBOOST_HAS_JXL
  if (is_jxl(bytes)) {
    return decode_jxl(bytes, name, limits);
  }
#endif
  if (const std::string what = named_format(bytes); !what.empty()) {
    fail_decoding(name, what);
  }
  return decode_with_stb(bytes, name, limits);
}

// Turns (C, H, W) upright: EXIF 2.3, tag Orientation.
torch::Tensor upright(torch::Tensor x, int orientation) {
  if (orientation >= 5) {
    x = x.transpose(1, 2);
  }
  const bool mirror_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool mirror_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (mirror_columns) {
    x = x.flip(2);
  }
  if (mirror_rows) {
    x = x.flip(1);
  }
  return x.contiguous();
}

// (H, W, 3) sRGB in [-1, 1]. Leaves the profile that results get, or none, in the metadata; frees the samples.
torch::Tensor to_pixels(RawImage& raw, const std::string& name) {
  auto& profile = raw.metadata.icc_profile;
  // In this order 8-bit sRGB images become exactly x / 127.5 - 1.
  torch::Tensor samples = raw.samples.to(torch::kFloat32);
  raw.samples.reset();
  if (profile.empty() && raw.model != ColorModel::cmyk) {
    return samples.div_(raw.maximum / 2).sub_(1).expand({-1, -1, 3});
  }
  bool keep_profile = false;
  const torch::Tensor shares = samples / raw.maximum;
  const torch::Tensor srgb = to_srgb(shares, raw.model, profile, name, keep_profile);
  if (raw.model == ColorModel::cmyk) {
    raw.metadata.not_kept.push_back("CMYK colors (it is written in sRGB)");
  }
  if (!keep_profile) {
    profile.clear();
  } else if (raw.written_profile) {
    profile = *raw.written_profile;
  }
  return srgb.is_same(shares) ? samples / (raw.maximum / 2) - 1 : srgb * 2 - 1;
}

// Makes the metadata those of the upright image. Returns the orientation of the pixels: that of the file or, without,
// of EXIF or of XMP.
int turn_upright(ImageMetadata& metadata, const std::optional<int>& of_file) {
  const int in_metadata = read_orientation(metadata.exif).value_or(read_xmp_orientation(metadata.xmp).value_or(1));
  const int orientation = of_file.value_or(in_metadata);
  if (!metadata.density) {
    metadata.density = read_exif_density(metadata.exif);
  }
  if (metadata.density && orientation >= 5) {
    std::swap(metadata.density->x, metadata.density->y);
  }
  reset_orientation(metadata.exif);
  reset_xmp_orientation(metadata.xmp);
  return orientation;
}

// JPEG and WebP have no text chunks: our texts are in EXIF.
void move_texts_out_of_exif(ImageMetadata& metadata) {
  const ExifTexts texts = read_exif_texts(metadata.exif);
  const bool ours = texts.description.rfind("{\"schema\":", 0) == 0;
  if (!texts.comment.empty()) {
    metadata.text.emplace_back("parameters", texts.comment);
  }
  if (ours) {
    metadata.text.emplace_back("fmboost", texts.description);
    metadata.exif.clear();  // written by fmboost, and written again when encoding
  }
}

}  // namespace

void fail_decoding(const std::string& name, const std::string& what) {
  throw Error("'" + name + "' " + what);
}

void keep_gray_palette(RawImage& image) {
  const auto channel = [&](std::int64_t i) { return image.samples.select(2, i); };
  if (torch::equal(channel(0), channel(1)) && torch::equal(channel(0), channel(2))) {
    image.samples = image.samples.slice(2, 0, 1).contiguous();
    image.model = ColorModel::gray;
  }
}

void check_dimensions(std::int64_t width, std::int64_t height, const DecodeLimits& limits, const std::string& name) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width < 1 || height < 1) {
    fail_decoding(name, "has an impossible size of " + size);
  }
  if (width > limits.max_side || height > limits.max_side || width * height > limits.max_pixels) {
    fail_decoding(name, "is too large: its header says " + size + "; the limits are " +
                            std::to_string(limits.max_side) + " pixels per side and " +
                            std::to_string(limits.max_pixels) + " pixels in total");
  }
  if (limits.check_size) {
    limits.check_size(width, height);
  }
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name, const DecodeLimits& limits) {
  RawImage raw = decode_raw(bytes, name, limits);
  Image image;
  image.format = raw.format;
  image.gray = raw.model == ColorModel::gray;
  image.bit_depth = raw.maximum > 255 ? 16 : 8;
  const torch::Tensor rgb = to_pixels(raw, name);
  image.metadata = std::move(raw.metadata);
  if (!image.metadata.exif.empty() && !is_exif(image.metadata.exif)) {
    log_warning("'" + name + "' has damaged EXIF data, which are left out");
    image.metadata.exif.clear();
  }
  const int orientation = turn_upright(image.metadata, raw.orientation);
  image.pixels = upright(rgb.permute({2, 0, 1}), orientation);
  if (raw.alpha.defined()) {
    image.alpha = upright((raw.alpha.to(torch::kFloat32) / raw.maximum).unsqueeze(0), orientation);
  }
  if (raw.format != "png") {
    move_texts_out_of_exif(image.metadata);
  }
  return image;
}

ImageMetadata read_metadata(std::span<const std::byte> bytes, const std::string& name) {
  ImageMetadata metadata;
  if (is_png(bytes)) {
    metadata = read_png_metadata(bytes, name);
    return metadata.text.empty() ? decode_image(bytes, name).metadata : metadata;
  }
  if (!is_jpeg(bytes) && !is_webp(bytes)) {
    return decode_image(bytes, name).metadata;
  }
  metadata = is_jpeg(bytes) ? read_jpeg_metadata(bytes, name) : read_webp_metadata(bytes);
  move_texts_out_of_exif(metadata);
  return metadata;
}

}  // namespace fmboost
