#pragma once

#include <filesystem>
#include <vector>

namespace fmboost {

/// Whether the name has the suffix of a format that decode_image() supports, in any case.
bool has_image_suffix(const std::filesystem::path& file);

/// The images in a folder and its subfolders, as sorted relative paths. Hidden files and folders are skipped, and links
/// to folders are not followed. Throws Error for a folder that cannot be read.
std::vector<std::filesystem::path> image_files_below(const std::filesystem::path& folder);

}  // namespace fmboost
