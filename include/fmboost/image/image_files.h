#pragma once

#include <filesystem>
#include <vector>

namespace fmboost {

/// True for names with the suffix of a format that decode_image reads, in any case.
bool has_image_suffix(const std::filesystem::path& file);

/// The images of a folder and of all folders in it, relative to it, sorted. Hidden files and folders are left out,
/// and links to folders are not followed. Throws Error for a folder that cannot be read.
std::vector<std::filesystem::path> image_files_below(const std::filesystem::path& folder);

}  // namespace fmboost
