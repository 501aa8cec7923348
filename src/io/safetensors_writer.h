#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// A tensor that is computed when it is written.
struct DeferredTensor {
  std::string name;
  torch::ScalarType dtype;
  std::vector<std::int64_t> shape;
  /// Returns a tensor of this dtype and shape, on any device. An exception ends the writing.
  std::function<torch::Tensor()> make;
};

/// Like write_safetensors(), with one tensor in memory at a time. Returns the SHA-256 of the file.
std::string write_safetensors_one_by_one(const std::filesystem::path& file, std::vector<DeferredTensor> tensors,
                                         const std::map<std::string, std::string>& metadata = {});

}  // namespace fmboost
