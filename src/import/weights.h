#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// One tensor of a model that is being converted. It is read when it is written, so that a model never lies in memory
/// as a whole.
struct Weight {
  std::string origin;  ///< "'model.safetensors', tensor 'conv.weight'"
  torch::ScalarType dtype = torch::kFloat32;
  std::vector<std::int64_t> shape;
  std::function<torch::Tensor()> read;  ///< of this dtype and shape, not to be written to
  /// Done to the tensor in float32, in place and in this order, once it was read.
  std::vector<std::function<void(torch::Tensor&)>> changes;
};

/// By name.
using Weights = std::map<std::string, Weight>;

struct WeightFile {
  Weights tensors;
  std::map<std::string, std::string> metadata;
};

/// Maps a .safetensors file. Throws ModelError naming the file, and the tensor, where it is unsound.
WeightFile open_weights(const std::filesystem::path& file);

/// The tensors whose names begin with `prefix`, without it; they are taken out of `all`.
Weights take_prefix(Weights& all, const std::string& prefix);

/// Adds a tensor. Throws ModelError naming both where there is one of the name already, as when a file holds a layer
/// under two names.
void put(Weights& all, const std::string& name, Weight weight);

/// The same numbers under another shape.
Weight reshaped(Weight weight, std::vector<std::int64_t> shape);

/// Rows `begin` to `end` of the first dimension.
Weight rows(const Weight& weight, std::int64_t begin, std::int64_t end);

/// The dtype it is written in: `wanted`, else the stored one where networks can be loaded from it, else the next wider
/// one. Throws ModelError for what is no floating-point tensor.
torch::ScalarType written_dtype(const Weight& weight, std::optional<torch::ScalarType> wanted);

/// Reads the tensor, applies its changes in float32, and casts. Throws ModelError naming the tensor where it holds NaN
/// or infinity, or a number that `dtype` cannot hold.
torch::Tensor read_weight(const Weight& weight, torch::ScalarType dtype);

/// "F, K and 12 more": the first few of many names.
std::string first_few(const std::vector<std::string>& names, std::size_t count = 3);

}  // namespace fmboost
