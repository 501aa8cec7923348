#include "batch/journal.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "batch/durable.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file) {
  throw Error("cannot write the journal '" + file.string() + "': " + std::strerror(errno));
}

/// Holds the lock of an open file.
class FileLock {
 public:
  explicit FileLock(int fd) : fd_(fd) {
    while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { ::flock(fd_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::size_t size_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

void write_line(int fd, std::string_view text, const fs::path& file) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      fail(file);
    }
    text.remove_prefix(static_cast<std::size_t>(count > 0 ? count : 0));
  }
  if (::fsync(fd) != 0) {
    fail(file);
  }
}

}  // namespace

Journal::Journal(fs::path file, fs::path base) : file_(std::move(file)), base_(std::move(base)) {
  const fs::path folder = file_.has_parent_path() ? file_.parent_path() : fs::path(".");
  make_folder(folder);
  fd_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) {
    fail(file_);
  }
  sync_folder(folder);
  sync_folder(folder.parent_path());
  {
    const FileLock lock(fd_);
    repair_end();
  }
  read_lines();
  opened_ = true;
  if (damaged_ > 0) {
    log_warning(std::to_string(damaged_) + " damaged lines of the journal '" + file_.string() +
                "' are ignored; their images count as missing");
  }
}

Journal::~Journal() {
  ::close(fd_);
}

// Whoever holds the lock is the only writer, so an incomplete last line is that of a process that ended in the middle.
void Journal::repair_end() {
  std::size_t end = size_of(fd_);
  char last = '\n';
  while (end > 0 && ::pread(fd_, &last, 1, static_cast<off_t>(end - 1)) == 1 && last != '\n') {
    --end;
  }
  if (end < size_of(fd_)) {
    log_debug("the journal '" + file_.string() + "' ended in an incomplete line, which is removed");
    if (::ftruncate(fd_, static_cast<off_t>(end)) != 0) {
      fail(file_);
    }
  }
}

// Whole lines only: another process may be writing the last one.
void Journal::read_lines() {
  std::string text(size_of(fd_) - std::min(read_, size_of(fd_)), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::pread(fd_, text.data() + filled, text.size() - filled, static_cast<off_t>(read_ + filled));
    if (count <= 0) {
      break;
    }
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    add_line(text.substr(begin, end - begin));
    begin = end + 1;
  }
  read_ += begin;
}

void Journal::add_line(const std::string& text) {
  nlohmann::json line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object() || !line.contains("output") || !line["output"].is_string() || !line.contains("status") ||
      !line["status"].is_string()) {
    ++damaged_;
    return;
  }
  const std::string output = line["output"].get<std::string>();
  entries_[output] = {.line = std::move(line), .recent = opened_};
}

std::string Journal::name_of(const fs::path& output) const {
  const fs::path whole = fs::absolute(output).lexically_normal();
  const fs::path below = whole.lexically_relative(fs::absolute(base_).lexically_normal());
  return below.empty() || *below.begin() == ".." ? whole.string() : below.string();
}

std::optional<nlohmann::json> Journal::find(const fs::path& output) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name_of(output));
  return found == entries_.end() ? std::nullopt : std::optional(found->second.line);
}

bool Journal::is_recent(const fs::path& output) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name_of(output));
  return found != entries_.end() && found->second.recent;
}

void Journal::refresh() {
  const std::lock_guard lock(mutex_);
  read_lines();
}

void Journal::append(const fs::path& output, nlohmann::json line) {
  line["output"] = name_of(output);
  line["time"] = utc_time();
  const std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::lock_guard guard(mutex_);
  const FileLock lock(fd_);
  repair_end();
  const std::size_t before = size_of(fd_);
  try {
    write_line(fd_, text, file_);
  } catch (const Error&) {
    [[maybe_unused]] const int ignored = ::ftruncate(fd_, static_cast<off_t>(before));  // a full disk: no half line
    throw;
  }
  read_lines();
}

}  // namespace fmboost::tool
