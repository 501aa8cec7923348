#pragma once

#include <optional>
#include <string>
#include <torch/types.h>

namespace fmboost {

/// The dtype with this name in .safetensors headers; none if PyTorch has no whole-byte type for it.
std::optional<torch::ScalarType> dtype_of_safetensors_name(const std::string& name);

/// The name of a dtype in headers. Throws Error if the format does not support it.
const char* safetensors_name_of(torch::ScalarType dtype);

}  // namespace fmboost
