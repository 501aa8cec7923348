#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fmboost {

/// A cache is a folder of folders that can be made again, of which those used last are kept.

/// Marks a folder of a cache as used now, and keeps trim_folder_cache() of every process from removing it as long as
/// this lives. Where the file system has no locks, it marks only.
class FolderUse {
 public:
  /// Throws Error naming the folder where it cannot be opened.
  explicit FolderUse(const std::filesystem::path& folder);
  ~FolderUse();
  FolderUse(const FolderUse&) = delete;
  FolderUse& operator=(const FolderUse&) = delete;

 private:
  int fd_ = -1;
};

struct CachedFolder {
  std::filesystem::path folder;
  std::int64_t bytes = 0;
};

/// Removes folders of the cache, the one used longest ago first, until the rest takes at most `limit` bytes, and
/// returns what it removed. Those in use stay. What an AtomicFolder of a killed process left goes after a day.
std::vector<CachedFolder> trim_folder_cache(const std::filesystem::path& cache, std::int64_t limit);

/// The bytes of all files in a folder and its folders.
std::int64_t folder_bytes(const std::filesystem::path& folder);

}  // namespace fmboost
