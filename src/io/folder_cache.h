#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fmboost {

/// A cache is a folder of folders that can be recreated.

/// Marks a folder of a cache as used now and protects it from trim_folder_cache() of all processes while this object
/// lives, even if the folder is renamed. On file systems without locks, it is only marked.
class FolderUse {
 public:
  /// Throws Error naming the folder if it cannot be opened.
  explicit FolderUse(const std::filesystem::path& folder);
  ~FolderUse();
  FolderUse(const FolderUse&) = delete;
  FolderUse& operator=(const FolderUse&) = delete;

 private:
  int fd_ = -1;
};

/// Keeps the most recently used folders of the cache that together take at most `limit` bytes, and those in use.
/// Removes the others and returns them.
std::vector<std::filesystem::path> trim_folder_cache(const std::filesystem::path& cache, std::int64_t limit);

/// The bytes of all files in a folder, including subfolders.
std::int64_t folder_bytes(const std::filesystem::path& folder);

}  // namespace fmboost
