#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "fmboost/image/image.h"

namespace fmboost {

struct DecodeLimits {
  std::int64_t max_side = 32768;
  std::int64_t max_pixels = std::int64_t{1} << 28;  ///< checked from the header, before anything large is allocated
};

/// Decodes PNG, JPEG and WebP (own libraries) and what stb_image reads besides (BMP, GIF's first frame, TGA, PSD, PNM,
/// PIC), recognized by content. The first frame of an animation is taken, with a notice.
/// Palette, gray, 1-bit, 16-bit, CMYK and alpha are handled; the EXIF orientation is applied and its tag set to 1;
/// pixels are converted from the embedded ICC profile to sRGB (unbounded, so that nothing is clipped). The profile of
/// an RGB image stays in the metadata so that a result can be converted back; other profiles, and those that lead one
/// way only, are dropped.
/// `name` appears in messages. Throws Error: empty, truncated, damaged, unknown format, too large.
Image decode_image(std::span<const std::byte> bytes, const std::string& name, const DecodeLimits& limits = {});

/// The metadata alone, as decode_image() would give its texts; pixels are decoded only if the format leaves no other
/// way. `name` appears in messages. Throws Error.
ImageMetadata read_metadata(std::span<const std::byte> bytes, const std::string& name);

}  // namespace fmboost
