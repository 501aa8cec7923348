#pragma once

#include <torch/nn/module.h>

#include "import/weights.h"

namespace fmboost::test {

inline Weight weight_of(const torch::Tensor& tensor, const std::string& origin = "'test', tensor 'x'") {
  return {.origin = origin,
          .dtype = tensor.scalar_type(),
          .shape = tensor.sizes().vec(),
          .read = [tensor] { return tensor; },
          .changes = {}};
}

/// Of a shape, and no tensor behind it.
inline Weight shape_of(std::vector<std::int64_t> shape) {
  return {
      .origin = "'test', tensor 'x'", .dtype = torch::kFloat32, .shape = std::move(shape), .read = {}, .changes = {}};
}

inline Weights shapes_of_network(const torch::nn::Module& network) {
  Weights weights;
  for (const auto& item : network.named_parameters()) {
    weights.emplace(item.key(), shape_of(item.value().sizes().vec()));
  }
  return weights;
}

}  // namespace fmboost::test
