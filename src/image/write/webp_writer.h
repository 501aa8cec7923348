#pragma once

#include <cstddef>
#include <vector>

#include "fmboost/image/image.h"

#include "image/write/pixel_rows.h"

namespace fmboost {

/// A WebP of the rows, which must be RGB or RGBA of 8 bits; lossless at quality 100. Throws Error.
std::vector<std::byte> write_webp(const PixelRows& rows, const ImageMetadata& metadata, int quality);

}  // namespace fmboost
