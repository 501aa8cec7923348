#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Sinusoidal embedding of times t (B) -> (B, dim): cosines of t exp(-ln(10000) i / half) for i < half = dim / 2, then
/// the sines (arXiv 1706.03762, as ADM has it), and a zero where dim is odd. Computed in the type of t: float32, since
/// half precision cannot tell timesteps apart.
torch::Tensor sinusoidal_embedding(const torch::Tensor& t, std::int64_t dim);

}  // namespace fmboost
