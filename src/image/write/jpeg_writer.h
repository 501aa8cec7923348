#pragma once

#include <cstddef>
#include <vector>

#include "fmboost/image/image.h"

#include "image/write/pixel_rows.h"

namespace fmboost {

/// A JPEG of the rows, which must have 8 bits per sample and no alpha, without subsampling of colors. Metadata that do
/// not fit are left out, see `fits_into_jpeg`. Throws Error.
std::vector<std::byte> write_jpeg(const PixelRows& rows, const ImageMetadata& metadata, int quality);

/// Whether EXIF data or an XMP packet of this size fits into its one segment.
bool exif_fits_into_jpeg(std::size_t size);
bool xmp_fits_into_jpeg(std::size_t size);

}  // namespace fmboost
