#pragma once

#include <cstddef>
#include <vector>

#include "fmboost/image/image.h"

#include "image/write/pixel_rows.h"

namespace fmboost {

/// A PNG of the rows, whose layout must be big-endian, in strips that are filtered and compressed in parallel; the
/// bytes do not depend on the number of threads. `level`: 0 .. 9. The color profile of the metadata must be that of the
/// rows.
std::vector<std::byte> write_png(const PixelRows& rows, const ImageMetadata& metadata, int level);

/// Whether a PNG can hold a text with this keyword.
bool is_png_text(const std::string& keyword, const std::string& text);

}  // namespace fmboost
