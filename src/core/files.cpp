#include "fmboost/core/files.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "fmboost/core/error.h"

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
  // Reports the error that close() may be the first to see, on network file systems for example.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

int open_regular_file(const fs::path& file, struct stat& status) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
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

fs::path temporary_name(const fs::path& file) {
  static std::atomic<unsigned> counter{0};
  fs::path name = file;
  name.replace_filename("." + file.filename().string() + ".tmp-" + std::to_string(::getpid()) + "-" +
                        std::to_string(counter++));
  return name;
}

// link() refuses an existing target in one step, where rename() would replace it.
void move_into_place(const fs::path& temporary, const fs::path& file, bool replace) {
  if (!replace && ::link(temporary.c_str(), file.c_str()) == 0) {
    ::unlink(temporary.c_str());
    return;
  }
  if (!replace && errno == EEXIST) {
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

}  // namespace

std::vector<std::byte> read_file(const fs::path& file, std::size_t limit) {
  struct stat status {};
  const Descriptor fd(open_regular_file(file, status));
  std::vector<std::byte> bytes;
  bytes.reserve(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : 0);
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  while (true) {
    const std::size_t old_size = bytes.size();
    bytes.resize(old_size + kChunk);
    const ssize_t count = ::read(fd.get(), bytes.data() + old_size, kChunk);
    if (count < 0 && errno != EINTR) {
      throw Error("cannot read '" + file.string() + "': " + reason());
    }
    bytes.resize(old_size + static_cast<std::size_t>(count > 0 ? count : 0));
    if (count == 0) {
      return bytes;
    }
    if (bytes.size() > limit) {
      throw Error("'" + file.string() + "' is larger than the " + std::to_string(limit) + " bytes that are accepted");
    }
  }
}

std::string read_text_file(const fs::path& file, std::size_t limit) {
  const auto bytes = read_file(file, limit);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_file_atomically(const fs::path& file, std::span<const std::byte> bytes, bool replace) {
  const fs::path temporary = temporary_name(file);
  try {
    Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd.get() < 0) {
      throw std::system_error(errno, std::generic_category());
    }
    write_fully(fd.get(), bytes);
    if (::fsync(fd.get()) != 0 || !fd.close()) {
      throw std::system_error(errno, std::generic_category());
    }
    move_into_place(temporary, file, replace);
  } catch (const std::system_error& error) {
    ::unlink(temporary.c_str());
    throw Error("cannot write '" + file.string() + "': " + error.code().message());
  }
  sync_folder(file.parent_path());
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
