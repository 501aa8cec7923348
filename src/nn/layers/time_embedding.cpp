#include "nn/layers/time_embedding.h"

#include <cmath>

namespace fmboost {

torch::Tensor sinusoidal_embedding(const torch::Tensor& t, std::int64_t dim) {
  const std::int64_t half = dim / 2;
  const auto options = t.options();
  const torch::Tensor frequencies = torch::exp(torch::arange(half, options) * (-std::log(10000.0) / half));
  const torch::Tensor angles = t.unsqueeze(1) * frequencies.unsqueeze(0);
  torch::Tensor embedding = torch::cat({angles.cos(), angles.sin()}, -1);
  return dim % 2 == 0 ? embedding : torch::constant_pad_nd(embedding, {0, 1});
}

}  // namespace fmboost
