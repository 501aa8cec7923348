#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fmboost {

/// The whole content of a file. Throws Error naming the file and the reason. `limit` (in bytes) guards
/// against devices and endless files.
std::vector<std::byte> read_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 32);

/// Reads what is available from a descriptor, waiting for at least one byte; 0 at its end. Throws Interrupted as soon as
/// a signal arrives, whichever thread calls it, and std::system_error when reading fails.
std::size_t read_available(int descriptor, std::span<std::byte> buffer);

/// Everything that is left on stdin. Throws like read_available(), and Error beyond `limit` bytes.
std::vector<std::byte> read_stdin(std::size_t limit = std::size_t{1} << 32);

/// A file as read_file() reads it, as text.
std::string read_text_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 30);

/// Writes bytes to a temporary name in the same folder, syncs it and renames it: the final name never refers to a
/// partial file, and the temporary is removed on any error. Throws if the file exists and `replace` is false.
void write_file_atomically(const std::filesystem::path& file, std::span<const std::byte> bytes, bool replace = true);

/// A file that is written under a temporary name in the same folder and renamed when it is complete.
/// All members throw Error naming the file and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path file);
  /// Removes the temporary unless commit() was called.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Syncs and renames. Throws if the file exists and `replace` is false.
  void commit(bool replace = true);

 private:
  std::filesystem::path file_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

/// Removes temporaries that killed writers of this file left. No writer of the file may be running.
void remove_temporaries(const std::filesystem::path& file);

/// A file mapped read-only into memory.
class MappedFile {
 public:
  /// Throws Error naming the file and the reason.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Releases the whole pages of this part of bytes() from memory; reading them again loads them from the file.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes of a string or any contiguous range, for the functions above.
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

/// The user's cache folder for fmboost: $XDG_CACHE_HOME/fmboost or ~/.cache/fmboost; empty if neither is set.
std::filesystem::path user_cache_dir();

/// The folder of the running executable.
std::filesystem::path executable_dir();

}  // namespace fmboost
