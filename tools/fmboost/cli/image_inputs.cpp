#include "cli/image_inputs.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/image/image_files.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> images_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory() && has_image_suffix(entry.path()) && entry.path().filename().string().front() != '.') {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    throw UsageError("the folder '" + folder.string() + "' contains no images");
  }
  return files;
}

}  // namespace

std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs) {
  std::vector<InputImage> images;
  for (const auto& input : inputs) {
    if (input == "-") {
      images.push_back({input, "stdin"});
    } else if (fs::is_directory(input)) {
      for (const auto& file : images_in(input)) {
        images.push_back({file, file.stem().string()});
      }
    } else if (!fs::path(input).has_filename()) {
      throw UsageError("the folder '" + input + "' does not exist");
    } else {
      images.push_back({input, fs::path(input).stem().string()});
    }
  }
  return images;
}

}  // namespace fmboost::tool
