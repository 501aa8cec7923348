#pragma once

#include <torch/types.h>

namespace fmboost {

/// Whether a floating-point tensor on the CPU holds neither NaN nor infinity. Reads every number once and allocates
/// nothing, where the tensor is contiguous and of 16, 32 or 64 bits.
bool all_finite(const torch::Tensor& tensor);

}  // namespace fmboost
