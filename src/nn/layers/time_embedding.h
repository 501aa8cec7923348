#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Sinusoidal embedding of times t (B) -> (B, dim): cosines of t exp(-ln(10000) i / half) for i < half = dim / 2, then
/// the sines (arXiv 1706.03762, in the order of ADM), and a zero if dim is odd. Computed in the dtype of t, which
/// should be float32: half precision does not distinguish timesteps.
torch::Tensor sinusoidal_embedding(const torch::Tensor& t, std::int64_t dim);

}  // namespace fmboost
