#include "fmboost/io/files.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

std::string reason() {
  return std::strerror(errno);
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Opening a FIFO would otherwise wait for its writer, and a signal that another thread receives would not end the wait.
int open_regular_file(const fs::path& file, struct stat& status) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    throw Error("cannot open '" + file.string() + "': " + reason());
  }
  if (::fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
    ::close(fd);
    throw Error("cannot read '" + file.string() + "': " + (S_ISDIR(status.st_mode) ? "it is a folder" : reason()));
  }
  return fd;
}

void write_fully(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      throw std::system_error(errno, std::generic_category());
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::string temporary_prefix(const fs::path& file) {
  constexpr std::size_t kKept = 200;  // file systems allow names of 255 bytes
  return "." + file.filename().string().substr(0, kKept) + ".tmp-";
}

fs::path temporary_name(const fs::path& file) {
  static std::atomic<unsigned> counter{0};
  fs::path name = file;
  name.replace_filename(temporary_prefix(file) + std::to_string(::getpid()) + "-" + std::to_string(counter++));
  return name;
}

// A killed process with the same id (in a container) may have left a temporary file of that name.
int create_temporary(const fs::path& file, fs::path& name) {
  for (int attempt = 0;; ++attempt) {
    name = temporary_name(file);
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
      return fd;
    }
    if (errno != EEXIST || attempt == 1000) {
      throw Error("cannot write '" + file.string() + "': " + reason());
    }
  }
}

// link() fails atomically if the target exists, whereas rename() would replace it.
void move_into_place(const fs::path& temporary, const fs::path& file, bool replace) {
  if (!replace && ::link(temporary.c_str(), file.c_str()) == 0) {
    ::unlink(temporary.c_str());
    return;
  }
  // On file systems without links, the check and the rename are two steps.
  if (!replace && (errno == EEXIST || fs::exists(fs::symlink_status(file)))) {
    throw std::system_error(EEXIST, std::generic_category());
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category());
  }
}

void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) {
    ::fsync(fd.get());
  }
}

// Waits until a read would not block. Looks for a signal in between, since another thread may have received it.
void wait_for_input(int descriptor) {
  constexpr int kMilliseconds = 100;
  pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    check_interrupt();
    ready = ::poll(&waiting, 1, kMilliseconds);
  } while (ready == 0 || (ready < 0 && errno == EINTR));
}

/// Bytes read so far, up to a limit.
class Collected {
 public:
  Collected(std::string name, std::size_t limit, std::size_t known) : name_(std::move(name)), limit_(limit) {
    refuse_beyond_limit(known);
    bytes_.reserve(known + kChunk);
  }

  std::vector<std::byte> read_all(int descriptor) {
    while (read_chunk(descriptor) > 0) {
      refuse_beyond_limit(bytes_.size());
    }
    return std::move(bytes_);
  }

 private:
  static constexpr std::size_t kChunk = std::size_t{1} << 20;

  std::size_t read_chunk(int descriptor) {
    const std::size_t old_size = bytes_.size();
    bytes_.resize(old_size + kChunk);
    try {
      const std::size_t count = read_available(descriptor, std::span(bytes_).subspan(old_size));
      bytes_.resize(old_size + count);
      return count;
    } catch (const std::system_error& error) {
      throw Error("cannot read " + name_ + ": " + error.code().message());
    }
  }

  void refuse_beyond_limit(std::size_t size) const {
    if (size > limit_) {
      throw Error(name_ + " is larger than the limit of " + std::to_string(limit_) + " bytes");
    }
  }

  std::string name_;
  std::size_t limit_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::size_t read_available(int descriptor, std::span<std::byte> buffer) {
  struct stat status {};
  // A regular file never waits, and is read even after a signal: an interrupted run may need it for its last work.
  const bool waits = ::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode);
  while (true) {
    if (waits) {
      wait_for_input(descriptor);
    }
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR && errno != EAGAIN) {
      throw std::system_error(errno, std::generic_category());
    }
  }
}

std::vector<std::byte> read_file(const fs::path& file, std::size_t limit) {
  struct stat status {};
  const Descriptor fd(open_regular_file(file, status));
  const std::size_t known = S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0;
  return Collected("'" + file.string() + "'", limit, known).read_all(fd.get());
}

std::vector<std::byte> read_stdin(std::size_t limit) {
  return Collected("stdin", limit, 0).read_all(STDIN_FILENO);
}

std::string read_text_file(const fs::path& file, std::size_t limit) {
  const auto bytes = read_file(file, limit);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

AtomicFile::AtomicFile(fs::path file) : file_(std::move(file)), fd_(create_temporary(file_, temporary_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  try {
    write_fully(fd_, bytes);
  } catch (const std::system_error& error) {
    throw Error("cannot write '" + file_.string() + "': " + error.code().message());
  }
}

void AtomicFile::commit(bool replace) {
  try {
    // close() may be the first call to report an error, for example on network file systems.
    if (::fsync(fd_) != 0 || ::close(std::exchange(fd_, -1)) != 0) {
      throw std::system_error(errno, std::generic_category());
    }
    move_into_place(temporary_, file_, replace);
  } catch (const std::system_error& error) {
    throw Error("cannot write '" + file_.string() + "': " + error.code().message());
  }
  temporary_.clear();
  sync_folder(file_.parent_path());
}

void write_file_atomically(const fs::path& file, std::span<const std::byte> bytes, bool replace) {
  AtomicFile out(file);
  out.write(bytes);
  out.commit(replace);
}

void remove_temporaries(const fs::path& file) {
  const std::string prefix = temporary_prefix(file);
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(file.has_parent_path() ? file.parent_path() : ".", error)) {
    if (entry.path().filename().string().starts_with(prefix)) {
      found.push_back(entry.path());
    }
  }
  for (const auto& temporary : found) {
    fs::remove(temporary, error);
  }
}

MappedFile::MappedFile(const fs::path& file) {
  struct stat status {};
  const Descriptor fd(open_regular_file(file, status));
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) {
    return;
  }
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) {
    throw Error("cannot map '" + file.string() + "' into memory: " + reason());
  }
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) {
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

fs::path user_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return fs::path(cache) / "fmboost";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return fs::path(home) / ".cache" / "fmboost";
  }
  return {};
}

fs::path executable_dir() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : self.parent_path();
}

}  // namespace fmboost
