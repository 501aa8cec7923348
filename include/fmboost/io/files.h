#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fmboost {

/// The whole content of a file. Throws Error naming the file and the reason. `limit` in bytes guards against devices
/// and files that never end.
std::vector<std::byte> read_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 32);

/// The same as text.
std::string read_text_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 30);

/// Writes bytes to a temporary name in the same folder, syncs it and renames it: the final name never holds part of a
/// file, and on any error the temporary is removed. With `replace` false an existing file makes it throw.
void write_file_atomically(const std::filesystem::path& file, std::span<const std::byte> bytes, bool replace = true);

/// A file that is written under a temporary name in the same folder and takes its own name only when it is complete.
/// All members throw Error naming the file and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path file);
  /// Removes the temporary where commit() was not reached.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Syncs and renames; with `replace` false an existing file makes it throw.
  void commit(bool replace = true);

 private:
  std::filesystem::path file_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

/// Removes the temporaries that killed writers of this file left. Nobody may be writing it meanwhile.
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
  /// Takes whole pages of this part of bytes() out of the process's memory; when they are read again they come back
  /// from the file.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes of a string or any contiguous range, for the functions above.
inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

/// The user's cache folder for fmboost: $XDG_CACHE_HOME/fmboost or ~/.cache/fmboost; empty when neither is known.
std::filesystem::path user_cache_dir();

/// The folder that the running executable lies in.
std::filesystem::path executable_dir();

}  // namespace fmboost
