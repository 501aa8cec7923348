#include "batch/claims.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "batch/durable.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

// The file may have been removed by its holder between opening and locking it.
bool is_still_there(int fd, const fs::path& file) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(file.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

// Whether an earlier process held the claim; a file that was merely created is empty.
bool mark_used(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && status.st_size > 0) {
    return true;
  }
  [[maybe_unused]] const ssize_t ignored = ::write(fd, "1", 1);  // on a full disk, the image fails too
  return false;
}

}  // namespace

Claims::Claims(fs::path folder) : folder_(std::move(folder)) {
  make_folder(folder_);
}

Claims::~Claims() {
  while (!held_.empty()) {
    const auto& [name, held] = *held_.begin();
    held.from_dead ? abandon(std::string(name)) : release(std::string(name));
  }
}

fs::path Claims::file_of(const std::string& name) const {
  return folder_ / sha256(as_bytes(name)).substr(0, 32);
}

Claims::Result Claims::take(const std::string& name) {
  const fs::path file = file_of(name);
  while (true) {
    int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
      fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
      if (fd < 0 && errno == ENOENT) {
        continue;
      }
    }
    if (fd < 0) {
      throw Error("cannot write '" + file.string() + "': " + std::strerror(errno));
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(fd);
      if (reason == EWOULDBLOCK) {
        return Result::held_by_other;
      }
      throw Error("cannot lock '" + file.string() + "': " + std::strerror(reason));
    }
    if (!is_still_there(fd, file)) {
      ::close(fd);
      continue;
    }
    const bool used = mark_used(fd);
    ::fsync(fd);
    sync_folder(folder_);  // after a power cut, the output without a line must be known as this program's
    const std::lock_guard lock(mutex_);
    held_[name] = {fd, used};
    return used ? Result::taken_from_dead : Result::taken;
  }
}

void Claims::release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = held_.find(name); found != held_.end()) {
    ::unlink(file_of(name).c_str());
    ::close(found->second.fd);
    held_.erase(found);
  }
}

void Claims::abandon(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = held_.find(name); found != held_.end()) {
    ::close(found->second.fd);
    held_.erase(found);
  }
}

}  // namespace fmboost::tool
