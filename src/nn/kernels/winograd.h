#pragma once

#include <cstdint>
#include <torch/types.h>

#include "fmboost/nn/kernel_options.h"

#include "nn/kernels/winograd_kernels.h"

namespace fmboost {

/// The shape of a 3x3 convolution of stride 1 and padding 1.
struct ConvolutionShape {
  std::int64_t batch, in, out, height, width;
};

/// Whether Winograd is faster for the shape. A fixed rule, so that results repeat on every run.
bool winograd_is_faster(const ConvolutionShape& shape);

/// The kernels of the processor under these options; null if there are none.
const winograd::Kernels* winograd_kernels(ConvolutionKernels options);

/// The transform of a weight (O, C, 3, 3) for the kernels, packed: 36 (padded O) C numbers of float32.
torch::Tensor winograd_weights(const torch::Tensor& weight, const winograd::Kernels& kernels);

/// The convolution of float32 x (B, C, H, W) with transformed weights for `out` channels, in channels-last layout.
/// `bias` may be undefined. Neither the number of threads nor the position in the batch changes the result. Source of
/// the method: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
torch::Tensor winograd_conv2d(const torch::Tensor& x, const torch::Tensor& weights, const torch::Tensor& bias,
                              std::int64_t out, const winograd::Kernels& kernels);

}  // namespace fmboost
