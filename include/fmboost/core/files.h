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

/// A file mapped read-only into memory.
class MappedFile {
 public:
  /// Throws Error naming the file and the reason.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

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
