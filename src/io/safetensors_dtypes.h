#pragma once

#include <optional>
#include <string>
#include <torch/types.h>

namespace fmboost {

/// The dtype that a .safetensors header calls `name`; none when PyTorch has no whole-byte type for it.
std::optional<torch::ScalarType> dtype_of_safetensors_name(const std::string& name);

/// What headers call a dtype. Throws Error when the format has none for it.
const char* safetensors_name_of(torch::ScalarType dtype);

}  // namespace fmboost
