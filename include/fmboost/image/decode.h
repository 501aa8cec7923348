#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "fmboost/image/image.h"

namespace fmboost {

struct DecodeLimits {
  std::int64_t max_side = 32768;
  std::int64_t max_pixels = std::int64_t{1} << 28;  ///< checked from the header, before anything large is allocated
  /// Called with width and height of the header, before the orientation is applied; throws to refuse the image. May be
  /// empty.
  std::function<void(std::int64_t width, std::int64_t height)> check_size = {};
};

/// Decodes PNG, JPEG, WebP, TIFF, BMP, PNM and PAM, GIF, TGA, PSD, PIC and, where fmboost was built with their libraries,
/// AVIF and JPEG XL, recognized by content. Of an animation or of several pages the first is used, with a warning. Supports palettes, gray, 1-bit, 16-bit, CMYK and alpha. The
/// EXIF orientation is applied and its tag set to 1. Pixels are converted from the embedded ICC profile to sRGB
/// (unbounded, so that nothing is clipped). The profile of an RGB image stays in the metadata, so that a result can be
/// converted back; other profiles and one-way profiles are dropped. `name` appears in messages. Throws Error: empty,
/// truncated, damaged, unknown format, too large.
Image decode_image(std::span<const std::byte> bytes, const std::string& name, const DecodeLimits& limits = {});

/// The metadata alone, as decode_image() would give its texts; pixels are decoded only if the format leaves no other
/// way. `name` appears in messages. Throws Error.
ImageMetadata read_metadata(std::span<const std::byte> bytes, const std::string& name);

}  // namespace fmboost
