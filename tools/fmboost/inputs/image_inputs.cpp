#include "inputs/image_inputs.h"

#include <algorithm>
#include <unordered_map>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/image_files.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

void warn_of_left_out(const FolderImages& found, const fs::path& folder, const InputOptions& options) {
  const std::string notice = left_out_notice(found, folder);
  if (notice.empty()) {
    return;
  }
  const bool folders = found.others[static_cast<std::size_t>(LeftOut::folder)].count > 0;
  log_warning(notice + (folders && !options.recursive ? "; `recursive` enters folders" : ""));
}

void add_images_in(const fs::path& folder, const InputOptions& options, std::vector<InputImage>& images) {
  FolderImages found = list_images(folder, options.recursive, options.excluded);
  // Broken links fail as items of their own, which name the reason.
  found.others[static_cast<std::size_t>(LeftOut::broken)] = {};
  warn_of_left_out(found, folder, options);
  std::vector<fs::path> files = std::move(found.files);
  files.insert(files.end(), found.broken.begin(), found.broken.end());
  std::inplace_merge(files.begin(), files.end() - static_cast<std::ptrdiff_t>(found.broken.size()), files.end());
  if (files.empty()) {
    throw UsageError("the folder '" + folder.string() + "' contains no images");
  }
  for (const auto& file : files) {
    images.push_back({folder / file, file.stem().string(), file.parent_path()});
  }
}

}  // namespace

std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs, const InputOptions& options) {
  std::vector<InputImage> images;
  for (const auto& input : inputs) {
    std::error_code error;
    if (input == "-") {
      images.push_back({input, "stdin", {}});
    } else if (fs::is_directory(input, error)) {
      add_images_in(input, options, images);
    } else if (!fs::path(input).has_filename()) {
      throw UsageError("the folder '" + input + "' does not exist");
    } else {
      images.push_back({input, fs::path(input).stem().string(), {}});
    }
  }
  return images;
}

void keep_suffixes_of_twins(std::vector<InputImage>& images) {
  std::unordered_map<std::string, fs::path> suffixes;  // the first one of each name
  std::vector<std::string> renamed;
  for (auto& image : images) {
    const fs::path suffix = image.file.extension();
    const auto [found, is_new] = suffixes.emplace((image.folder / image.name).native(), suffix);
    if (!is_new && found->second != suffix) {
      image.name = image.file.filename().string();
      renamed.push_back(image.name);
    }
  }
  if (!renamed.empty()) {
    log_warning(std::to_string(renamed.size()) + (renamed.size() == 1 ? " image keeps its" : " images keep their") +
                " suffix in the name of the result, because another image has the same name: '" + renamed.front() +
                (renamed.size() == 1 ? "'" : "' and others"));
  }
}

}  // namespace fmboost::tool
