#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fmboost::tool {

/// One image to read.
struct ImageSource {
  std::filesystem::path file;  ///< "-" for stdin
  std::string name;            ///< without suffix, for output names
};

/// Files as they are, folders as the files in them whose suffix is that of an image, sorted by name; "-" is stdin.
/// Throws UsageError for a folder without images. Files that are missing are found out when they are read.
std::vector<ImageSource> collect_sources(const std::vector<std::string>& inputs);

}  // namespace fmboost::tool
