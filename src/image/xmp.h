#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fmboost/image/image.h"

namespace fmboost {

/// XMP packets are XML; only a few values in them are looked at, in both notations of simple properties: as attributes,
/// tiff:Orientation="6", and as elements, <tiff:Orientation>6</tiff:Orientation>.

/// tiff:Orientation, 1 to 8; none if it is missing.
std::optional<int> read_xmp_orientation(const std::string& xmp);

/// Sets tiff:Orientation to 1 where it exists.
void reset_xmp_orientation(std::string& xmp);

/// Makes the properties agree with an image of this size and density, each if it exists: tiff:ImageWidth,
/// exif:PixelXDimension and so on become the size, tiff:XResolution and tiff:YResolution the density.
void update_xmp(std::string& xmp, std::uint32_t width, std::uint32_t height,
                const std::optional<PixelDensity>& density);

}  // namespace fmboost
