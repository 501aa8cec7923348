#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// torch::conv2d with square stride and padding, by the fastest kernel: Winograd where winograd_is_faster() on the CPU,
/// in float32 and without gradients, otherwise ATen. The weight is cast to the type of x if it differs. Transformed
/// weights are kept until the weight changes or its memory is freed; `bias` may be undefined.
torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                       std::int64_t stride, std::int64_t padding);

}  // namespace fmboost
