#include "io/folder_cache.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
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

struct Candidate {
  CachedFolder folder;
  fs::file_time_type used;
};

// An AtomicFolder that is being filled has such a name.
bool is_unfinished(const fs::path& folder) {
  return folder.filename().string().starts_with('.');
}

std::vector<Candidate> candidates(const fs::path& cache) {
  std::vector<Candidate> found;
  std::error_code error;
  for (fs::directory_iterator entry(cache, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code gone;  // another process may be removing it
    const auto used = fs::last_write_time(entry->path(), gone);
    if (!gone && entry->is_directory(gone) && !entry->is_symlink(gone)) {
      found.push_back({{entry->path(), folder_bytes(entry->path())}, used});
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  return found;
}

// Renamed first, so that nobody finds half of it. Whoever waits for the lock finds it gone.
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

std::vector<CachedFolder> trim_folder_cache(const fs::path& cache, std::int64_t limit) {
  const auto yesterday = fs::file_time_type::clock::now() - std::chrono::hours(24);
  const auto all = candidates(cache);
  std::int64_t total = 0;
  for (const auto& candidate : all) {
    total += candidate.folder.bytes;
  }
  std::vector<CachedFolder> removed;
  for (const auto& [folder, used] : all) {
    const bool goes = is_unfinished(folder.folder) ? used < yesterday : total > limit;
    if (goes && remove_unless_used(folder.folder)) {
      total -= folder.bytes;
      removed.push_back(folder);
    }
  }
  return removed;
}

}  // namespace fmboost
