#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <torch/types.h>
#include <utility>
#include <vector>

#include "fmboost/io/files.h"

namespace fmboost {

/// A .safetensors file, memory-mapped. Format: https://github.com/huggingface/safetensors (8-byte little-endian header
/// length, JSON header, data). Opening checks the whole header: its length, every dtype, every shape
/// against its byte range, overlaps, gaps and the end of the file. Throws ModelError that names file and tensor.
class SafetensorsFile {
 public:
  struct Entry {
    torch::ScalarType dtype;
    std::vector<std::int64_t> shape;
    std::size_t begin;  ///< byte range within the data section
    std::size_t end;
  };

  explicit SafetensorsFile(std::filesystem::path file);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  bool contains(const std::string& name) const { return entries_.contains(name); }

  /// A read-only tensor over the mapped bytes, dtype as stored, which keeps the mapping alive. Bytes that are not
  /// aligned are copied. Throws ModelError if there is no such tensor.
  torch::Tensor tensor(const std::string& name) const;

  /// Releases the pages of the tensor from memory; tensors over them stay valid and read them again.
  void release(const std::string& name) const;

 private:
  std::span<const std::byte> bytes_of(const Entry& entry) const;

  std::filesystem::path path_;
  std::shared_ptr<MappedFile> mapping_;
  std::size_t data_begin_ = 0;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
};

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// Writes tensors (moved to the CPU and made contiguous) and metadata, atomically. Tensors are ordered by descending
/// dtype size, then name, like those of the reference writer, so that every tensor is aligned.
void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace fmboost
