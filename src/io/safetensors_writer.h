#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// A tensor that is made when its turn to be written comes.
struct DeferredTensor {
  std::string name;
  torch::ScalarType dtype;
  std::vector<std::int64_t> shape;
  /// Gives a tensor of this dtype and shape, on any device. What it throws ends the writing.
  std::function<torch::Tensor()> make;
};

/// As write_safetensors, with one tensor in memory at a time. Returns the file's SHA-256.
std::string write_safetensors_one_by_one(const std::filesystem::path& file, std::vector<DeferredTensor> tensors,
                                         const std::map<std::string, std::string>& metadata = {});

}  // namespace fmboost
