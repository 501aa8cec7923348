#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/image/metrics.h"

namespace fmboost {

/// A way to upscale images.
struct Upscaler {
  std::string name;
  /// (1, 3, h, w) in [-1, 1] -> (1, 3, height, width), each side a whole number of times as large
  std::function<torch::Tensor(const torch::Tensor& low, std::int64_t height, std::int64_t width)> upscale;
};

/// An image to upscale, and what should come out. Both hold values of 8 bits, as files do.
struct UpscalingTask {
  torch::Tensor original;  ///< (3, H, W) in [-1, 1], sides multiples of the scale
  torch::Tensor low;       ///< (1, 3, H / scale, W / scale) in [-1, 1]
};

/// Cuts the image's right and lower edges to multiples of the scale and reduces it by bicubic resampling with
/// antialias (a = -0.5: the kernel of MATLAB's imresize and of Pillow), as super-resolution benchmarks do.
/// pixels: (3, H, W). Throws Error when the image is smaller than the scale.
UpscalingTask make_upscaling_task(const torch::Tensor& pixels, std::int64_t scale);

/// Upscales, rounds the result to 8 bits as a file would, and compares it with the original without its border of
/// `border` pixels. Throws Error when the result has another size.
Quality measure_upscaler(const UpscalingTask& task, const Upscaler& upscaler, std::int64_t border);

/// Bicubic with a = -0.5, as MATLAB's imresize and Pillow upscale. PyTorch's own upscaling has a = -0.75, which is
/// sharper and about 0.2 dB better; papers compare with this one.
torch::Tensor upsample_bicubic(const torch::Tensor& low, std::int64_t height, std::int64_t width);

/// Lanczos with three lobes, as Pillow upscales: weights of latent pixels beyond the edge are left out and the rest is
/// normalized. Sides must not become smaller. low: (B, C, h, w).
torch::Tensor upsample_lanczos(const torch::Tensor& low, std::int64_t height, std::int64_t width);

/// Values of 8 bits: round((clamp(x, -1, 1) + 1) * 127.5) brought back to [-1, 1].
torch::Tensor round_to_8_bits(const torch::Tensor& pixels);

}  // namespace fmboost
