#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// One tensor of a model that is being imported. It is read when it is written, so that the whole model is never in
/// memory.
struct Weight {
  std::string origin;  ///< "'model.safetensors', tensor 'conv.weight'"
  torch::ScalarType dtype = torch::kFloat32;
  std::vector<std::int64_t> shape;
  std::function<torch::Tensor()> read;  ///< returns the tensor of this dtype and shape, read-only
  /// Applied to the tensor in float32, in place and in this order, after it is read.
  std::vector<std::function<void(torch::Tensor&)>> changes;
};

/// By name.
using Weights = std::map<std::string, Weight>;

struct WeightFile {
  Weights tensors;
  std::map<std::string, std::string> metadata;
};

/// Maps a .safetensors file, or reads a file of torch.save without running anything in it; "state_dict." is removed from
/// the names of the latter. Throws ModelError naming the file and the tensor if it is damaged.
WeightFile open_weights(const std::filesystem::path& file);

/// Multiplies 8-bit weights by their scales ("x.weight" by "x.scale_weight" or "x.weight_scale", one number each), and
/// removes the scales and those of activations, which matter to 8-bit arithmetic only.
void apply_fp8_scales(Weights& tensors);

/// Removes the tensors whose names begin with `prefix` from `all` and returns them without the prefix.
Weights take_prefix(Weights& all, const std::string& prefix);

/// Adds a tensor. Throws ModelError naming both if the name exists, as when a file contains a layer under two names.
void put(Weights& all, const std::string& name, Weight weight);

/// The same values with another shape.
Weight reshaped(Weight weight, std::vector<std::int64_t> shape);

/// Rows `begin` to `end` of the first dimension.
Weight rows(const Weight& weight, std::int64_t begin, std::int64_t end);

/// The dtype to write: `wanted`, else the stored one if networks can be loaded from it, else the next wider one. Throws
/// ModelError unless it is a floating-point tensor.
torch::ScalarType written_dtype(const Weight& weight, std::optional<torch::ScalarType> wanted);

/// Reads the tensor, applies its changes in float32, and casts it. Throws ModelError naming the tensor if it contains
/// NaN, infinity, or a value out of the range of `dtype`.
torch::Tensor read_weight(const Weight& weight, torch::ScalarType dtype);

/// "F, K and 12 more": the first few of many names.
std::string first_few(const std::vector<std::string>& names, std::size_t count = 3);

}  // namespace fmboost
