#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fmboost/io/files.h"

namespace fmboost {

/// A regular file inside a tar archive.
struct TarMember {
  std::string name;
  std::size_t offset = 0;  ///< of the content, in bytes from the start of the archive
  std::size_t size = 0;
};

/// The regular files of an uncompressed tar archive in memory, in their order: v7, ustar, pax (path and size)
/// and GNU (long names, large sizes). Reads the headers only. `name` appears in messages. Throws Error if it is not a
/// tar archive, or compressed, damaged or truncated; an archive without a closing block counts as truncated.
std::vector<TarMember> index_tar(std::span<const std::byte> archive, const std::string& name);

/// Writes a tar archive under a temporary name. Archives with the same members are identical: owners, times and modes
/// are fixed.
class TarWriter {
 public:
  /// Throws Error naming the file and the reason, as all members do.
  explicit TarWriter(const std::filesystem::path& file);
  /// Removes the file unless commit() was called.
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(const std::string& name, std::span<const std::byte> content);
  /// Closes, syncs and renames. Returns the size of the archive in bytes.
  std::size_t commit();

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

}  // namespace fmboost
