#include "fmboost/image/image_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "fmboost/core/error.h"

namespace fmboost {

namespace fs = std::filesystem;

bool has_image_suffix(const fs::path& file) {
  constexpr std::array<std::string_view, 15> kSuffixes{".png", ".jpg", ".jpeg", ".webp", ".bmp",
                                                       ".gif", ".tga", ".psd",  ".pnm",  ".ppm",
                                                       ".pgm", ".pic", ".jfif", ".tif",  ".tiff"};
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

std::vector<fs::path> image_files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  try {
    for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
      const bool hidden = entry->path().filename().string().front() == '.';
      if (entry->is_directory()) {
        if (hidden) {
          entry.disable_recursion_pending();
        }
      } else if (!hidden && has_image_suffix(entry->path())) {
        files.push_back(entry->path().lexically_relative(folder));
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw Error("cannot read the folder '" + folder.string() + "': " + error.code().message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace fmboost
