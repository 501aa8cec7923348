#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/eval/niqe.h"
#include "fmboost/image/metrics.h"

namespace fmboost {

/// A method of upscaling images.
struct Upscaler {
  std::string name;
  /// (1, 3, h, w) in [-1, 1] -> (1, 3, height, width), larger by a whole factor
  std::function<torch::Tensor(const torch::Tensor& low, std::int64_t height, std::int64_t width)> upscale;
};

/// An image to upscale and the expected result. Both hold 8-bit values, like files.
struct UpscalingTask {
  torch::Tensor original;  ///< (3, H, W) in [-1, 1], sides multiples of the scale
  torch::Tensor low;       ///< (1, 3, H / scale, W / scale) in [-1, 1]
};

/// Crops the image's right and lower edges to multiples of the scale and downsamples it with antialiased bicubic
/// interpolation (a = -0.5: the kernel of MATLAB's imresize and of Pillow), like super-resolution benchmarks.
/// pixels: (3, H, W). Throws Error if the image is smaller than the scale.
UpscalingTask make_upscaling_task(const torch::Tensor& pixels, std::int64_t scale);

struct MeasureOptions {
  std::int64_t border = 0;             ///< pixels to ignore along each edge
  std::optional<NiqeModel> niqe = {};  ///< measures NIQE too, if the image has room for a block
};

/// Upscales, rounds the result to 8 bits like a file, and compares it with the original. Throws Error if the result has
/// another size.
Quality measure_upscaler(const UpscalingTask& task, const Upscaler& upscaler, const MeasureOptions& options);

/// The original compared with itself: the bound of every measure, and the original's own NIQE.
Quality measure_original(const UpscalingTask& task, const MeasureOptions& options);

/// Bicubic with a = -0.5, like MATLAB's imresize and Pillow. PyTorch's default is a = -0.75, which is sharper and about
/// 0.2 dB better; papers compare with a = -0.5.
torch::Tensor upsample_bicubic(const torch::Tensor& low, std::int64_t height, std::int64_t width);

/// Lanczos with three lobes, like Pillow: weights of pixels beyond the edge are left out and the rest is normalized.
/// Sides must not become smaller. low: (B, C, h, w).
torch::Tensor upsample_lanczos(const torch::Tensor& low, std::int64_t height, std::int64_t width);

/// Rounds to 8-bit values: round((clamp(x, -1, 1) + 1) * 127.5), mapped back to [-1, 1].
torch::Tensor round_to_8_bits(const torch::Tensor& pixels);

}  // namespace fmboost
