#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fmboost/image/image.h"

namespace fmboost {

/// EXIF data are a TIFF structure: a byte order, then directories of tagged fields (JEITA CP-3451). All offsets are
/// checked; an invalid structure yields nothing.

/// Whether the data start like such a structure. Other data cannot be kept, since PNG does not accept them.
bool is_exif(const std::vector<std::byte>& exif);

/// The data without JPEG's prefix "Exif\0\0", which some writers store in other formats too.
std::vector<std::byte> without_exif_prefix(std::vector<std::byte> exif);

/// Tag 0x0112, 1 to 8; none if it is missing.
std::optional<int> read_orientation(const std::vector<std::byte>& exif);
/// Sets the tag to 1 if it exists.
void reset_orientation(std::vector<std::byte>& exif);

/// XResolution and YResolution with their unit; none if they are missing or their unit is.
std::optional<PixelDensity> read_exif_density(const std::vector<std::byte>& exif);

/// Makes EXIF data agree with an image of this size and density: width and height (both of the image and of EXIF's own
/// directory) and the resolution, each if the field exists; and drops the thumbnail, which shows an older image.
void update_exif(std::vector<std::byte>& exif, std::uint32_t width, std::uint32_t height,
                 const std::optional<PixelDensity>& density);

/// The EXIF data of a TIFF file: what describes the photograph rather than the file, that is, the texts of the first
/// directory and the directories of EXIF and GPS. Empty if it has neither. MakerNote is left out, whose inner
/// positions would not survive the move.
std::vector<std::byte> exif_of_tiff(std::span<const std::byte> file);

/// The two texts written to formats without text chunks: `comment` as UserComment, which A1111-style readers use, and
/// `description` as ImageDescription.
struct ExifTexts {
  std::string comment;      ///< UTF-8
  std::string description;  ///< ASCII
};
/// EXIF data of these texts and, if it is given and has a unit, the density.
std::vector<std::byte> make_exif(const ExifTexts& texts, const std::optional<PixelDensity>& density = {});
ExifTexts read_exif_texts(const std::vector<std::byte>& exif);

}  // namespace fmboost
