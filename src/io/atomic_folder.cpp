#include "fmboost/io/atomic_folder.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// "out/" has an empty last component; "out" is meant.
fs::path without_trailing_slash(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

fs::path sibling(const fs::path& folder, const std::string& kind) {
  static std::atomic<unsigned> counter{0};
  return folder.parent_path() /
         ("." + folder.filename().string() + kind + std::to_string(::getpid()) + "-" + std::to_string(counter++));
}

[[noreturn]] void fail(const fs::path& folder, const std::error_code& error) {
  throw Error("cannot write the folder '" + folder.string() + "': " + error.message());
}

// Makes the folder's entries durable. Some file systems cannot sync a folder.
void sync(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && (::fsync(descriptor) == 0 || errno == EINVAL);
  const std::error_code error(errno, std::generic_category());
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  if (!synced) {
    fail(folder, error);
  }
}

}  // namespace

AtomicFolder::AtomicFolder(fs::path folder, std::string marker, bool replace)
    : folder_(without_trailing_slash(folder)), marker_(std::move(marker)), replace_(replace) {
  check_replaceable();
  // A killed process with the same id (in a container) may have left a folder of that name.
  std::error_code error;
  do {
    temporary_ = sibling(folder_, ".tmp-");
  } while (!fs::create_directory(temporary_, error) && !error);
  if (error) {
    fail(folder_, error);
  }
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) {
    fs::remove_all(temporary_, ignored);
  }
}

void AtomicFolder::check_replaceable() const {
  const auto status = fs::symlink_status(folder_);
  if (!fs::exists(status)) {
    return;
  }
  if (!replace_) {
    throw Error("'" + folder_.string() + "' already exists; use `force` to replace it");
  }
  if (!fs::is_directory(status) || !(fs::exists(folder_ / marker_) || fs::is_empty(folder_))) {
    throw Error("'" + folder_.string() + "' exists and is not a folder with " + marker_ +
                "; not replaced even with `force`");
  }
}

void AtomicFolder::commit() {
  check_replaceable();
  sync(temporary_);
  const fs::path old = sibling(folder_, ".tmp-old-");
  std::error_code error;
  const bool replaces = fs::exists(fs::symlink_status(folder_));
  if (replaces) {
    fs::rename(folder_, old, error);
  }
  if (!error) {
    fs::rename(temporary_, folder_, error);
  }
  if (error) {
    std::error_code ignored;
    if (replaces && !fs::exists(folder_)) {
      fs::rename(old, folder_, ignored);
    }
    fail(folder_, error);
  }
  temporary_.clear();
  sync(folder_.parent_path());
  if (replaces) {
    fs::remove_all(old, error);
  }
}

}  // namespace fmboost
