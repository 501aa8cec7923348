#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fmboost {

/// EXIF data are a TIFF structure: a byte order, then directories of tagged fields (JEITA CP-3451). Offsets in it are
/// never trusted; a structure that does not hold together gives nothing.

/// Whether the data start as such a structure does. What does not cannot be kept: PNG takes nothing else.
bool is_exif(const std::vector<std::byte>& exif);

/// Tag 0x0112, 1 to 8; nothing when there is none.
std::optional<int> read_orientation(const std::vector<std::byte>& exif);
/// Sets the tag to 1 where there is one.
void reset_orientation(std::vector<std::byte>& exif);

/// The two texts that we write where a format has no text chunks: `comment` as UserComment, which A1111-style readers
/// look into, and `description` as ImageDescription.
struct ExifTexts {
  std::string comment;      ///< UTF-8
  std::string description;  ///< ASCII
};
std::vector<std::byte> make_exif(const ExifTexts& texts);
ExifTexts read_exif_texts(const std::vector<std::byte>& exif);

}  // namespace fmboost
