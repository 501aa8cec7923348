#include "io/shared_data.h"

#include "fmboost/io/files.h"

namespace fmboost {

namespace fs = std::filesystem;

std::optional<fs::path> find_shared_data(const std::string& path) {
  const fs::path executable = executable_dir();
  if (const fs::path installed = executable.parent_path() / "share" / "fmboost" / path; fs::exists(installed)) {
    return installed;
  }
  for (fs::path folder = executable; folder.has_relative_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / path)) {
      return folder / path;
    }
  }
  return std::nullopt;
}

}  // namespace fmboost
