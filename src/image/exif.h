#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fmboost {

/// EXIF data are a TIFF structure: a byte order, then directories of tagged fields (JEITA CP-3451). All offsets are
/// checked; an invalid structure yields nothing.

/// Whether the data start like such a structure. Other data cannot be kept, since PNG does not accept them.
bool is_exif(const std::vector<std::byte>& exif);

/// Tag 0x0112, 1 to 8; none if it is missing.
std::optional<int> read_orientation(const std::vector<std::byte>& exif);
/// Sets the tag to 1 if it exists.
void reset_orientation(std::vector<std::byte>& exif);

/// The two texts written to formats without text chunks: `comment` as UserComment, which A1111-style readers use, and
/// `description` as ImageDescription.
struct ExifTexts {
  std::string comment;      ///< UTF-8
  std::string description;  ///< ASCII
};
std::vector<std::byte> make_exif(const ExifTexts& texts);
ExifTexts read_exif_texts(const std::vector<std::byte>& exif);

}  // namespace fmboost
