#pragma once

#include <string>
#include <torch/nn/module.h>

#include "fmboost/core/safetensors.h"

namespace fmboost {

/// Copies every tensor of the file whose name starts with `prefix` into the parameter or buffer of the rest of the
/// name, casting to the module's dtype. Throws ModelError listing every missing, extra and mis-shaped tensor, twenty of
/// each at most by name.
void load_strictly(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix = "");

}  // namespace fmboost
