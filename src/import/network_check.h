#pragma once

#include <string>
#include <torch/nn/module.h>

#include "import/weights.h"

namespace fmboost {

/// Throws ModelError naming the first few tensors of `network` that are missing from `weights`, unknown to it or of
/// another shape. `what`: "the UNet"; `origin`: the file.
void check_network(const torch::nn::Module& network, const Weights& weights, const std::string& what,
                   const std::string& origin);

}  // namespace fmboost
