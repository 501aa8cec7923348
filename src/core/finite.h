#pragma once

#include <torch/types.h>

namespace fmboost {

/// Whether a floating-point CPU tensor contains neither NaN nor infinity. For contiguous tensors of 16, 32 or 64 bits,
/// reads every value once and allocates nothing.
bool all_finite(const torch::Tensor& tensor);

}  // namespace fmboost
