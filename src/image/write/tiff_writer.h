#pragma once

#include <cstddef>
#include <vector>

#include "fmboost/image/image.h"

#include "image/write/pixel_rows.h"

namespace fmboost {

/// A TIFF of the rows, whose layout must be little-endian, with the horizontal predictor and deflate, in strips that
/// are compressed in parallel; `level` 0 stores. The file begins with the EXIF data, so that positions inside them
/// (those of MakerNote too) stay valid; its directory holds their fields besides its own. Throws Error above 4 GiB.
std::vector<std::byte> write_tiff(const PixelRows& rows, const ImageMetadata& metadata, int level);

}  // namespace fmboost
