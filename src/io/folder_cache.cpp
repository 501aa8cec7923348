#include "io/folder_cache.h"

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <map>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

int open_folder(const fs::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Renames the folder first, so that no process finds part of it.
bool remove_unless_used(const fs::path& folder) {
  const int fd = open_folder(folder);
  if (fd < 0) {
    return false;
  }
  std::error_code error;
  bool removed = false;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    const fs::path aside = folder.parent_path() / ("." + folder.filename().string() + ".tmp-removed");
    fs::rename(folder, aside, error);
    removed = !error;
    if (removed) {
      fs::remove_all(aside, error);
    }
  }
  ::close(fd);
  return removed;
}

}  // namespace

FolderUse::FolderUse(const fs::path& folder) : fd_(open_folder(folder)) {
  if (fd_ < 0) {
    throw Error("cannot open the folder '" + folder.string() +
                "': " + std::error_code(errno, std::generic_category()).message());
  }
  ::futimens(fd_, nullptr);
  ::flock(fd_, LOCK_SH);
}

FolderUse::~FolderUse() {
  ::close(fd_);
}

std::int64_t folder_bytes(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error); !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code no_file;
    const auto size = fs::file_size(entry->path(), no_file);
    bytes += no_file ? 0 : static_cast<std::int64_t>(size);
  }
  return bytes;
}

std::vector<fs::path> trim_folder_cache(const fs::path& cache, std::int64_t limit) {
  std::multimap<fs::file_time_type, fs::path, std::greater<>> folders;  // the most recently used first
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(cache, missing)) {
    std::error_code gone;  // another process may be removing it
    const auto used = entry.last_write_time(gone);
    if (!gone && entry.is_directory(gone) && !entry.is_symlink(gone)) {
      folders.emplace(used, entry.path());
    }
  }
  std::int64_t total = 0;
  std::vector<fs::path> removed;
  for (const auto& [used, folder] : folders) {
    total += folder_bytes(folder);
    if (total > limit && remove_unless_used(folder)) {
      removed.push_back(folder);
    }
  }
  return removed;
}

}  // namespace fmboost
