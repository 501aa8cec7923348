#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fmboost::tool {

/// One image to read.
struct InputImage {
  std::filesystem::path file;  ///< "-" for stdin
  std::string name;            ///< without suffix, for output names
};

/// Files as given, folders as the image files in them (by suffix), sorted by name; "-" is stdin. Throws UsageError for
/// a folder without images. Missing files are reported when they are read.
std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs);

}  // namespace fmboost::tool
