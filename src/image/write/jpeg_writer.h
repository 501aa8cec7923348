#pragma once

#include <cstddef>
#include <vector>

#include "fmboost/image/encode.h"
#include "fmboost/image/image.h"

#include "image/write/pixel_rows.h"

namespace fmboost {

/// A JPEG of the rows, which must have 8 bits per sample and no alpha, with the quality and the subsampling of the
/// options. EXIF and XMP data that do not fit into a segment are left out with a warning. Throws Error.
std::vector<std::byte> write_jpeg(const PixelRows& rows, const ImageMetadata& metadata, const EncodeOptions& options);

}  // namespace fmboost
