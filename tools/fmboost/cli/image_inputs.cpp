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
    throw UsageError("the folder '" + folder.string() + "' holds no images");
  }
  return files;
}

}  // namespace

std::vector<ImageSource> collect_sources(const std::vector<std::string>& inputs) {
  std::vector<ImageSource> sources;
  for (const auto& input : inputs) {
    if (input == "-") {
      sources.push_back({input, "stdin"});
    } else if (fs::is_directory(input)) {
      for (const auto& file : images_in(input)) {
        sources.push_back({file, file.stem().string()});
      }
    } else if (!fs::path(input).has_filename()) {
      throw UsageError("there is no folder '" + input + "'");
    } else {
      sources.push_back({input, fs::path(input).stem().string()});
    }
  }
  return sources;
}

}  // namespace fmboost::tool
