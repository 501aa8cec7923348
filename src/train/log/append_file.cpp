#include "train/log/append_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file) {
  throw Error("cannot write '" + file.string() + "': " + std::strerror(errno));
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path file, std::int64_t size, std::int64_t last_record)
    : file_(std::move(file)),
      descriptor_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)),
      size_(size),
      last_record_(last_record) {
  if (descriptor_ < 0) {
    fail(file_);
  }
  if (::ftruncate(descriptor_, size) != 0) {
    const int reason = errno;
    ::close(descriptor_);
    errno = reason;
    fail(file_);
  }
}

AppendFile::~AppendFile() {
  ::close(descriptor_);
}

void AppendFile::append(std::string_view bytes) {
  write_at(size_, bytes);
  last_record_ = size_;
  size_ += static_cast<std::int64_t>(bytes.size());
}

void AppendFile::replace_last(std::string_view bytes) {
  write_at(last_record_, bytes);
  size_ = last_record_ + static_cast<std::int64_t>(bytes.size());
  if (::ftruncate(descriptor_, size_) != 0) {
    fail(file_);
  }
}

void AppendFile::write_at(std::int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      fail(file_);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
}

}  // namespace fmboost
