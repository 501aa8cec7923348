#pragma once

#include <torch/types.h>

namespace fmboost {

/// Bicubic resampling, antialiased when downsampling (PyTorch with antialias: a = -0.5, the kernel of Pillow).
/// x: (B, C, H, W) float32.
torch::Tensor resize_bicubic(const torch::Tensor& x, std::int64_t height, std::int64_t width);

/// Margins in pixels around an image.
struct Margins {
  std::int64_t left = 0;
  std::int64_t right = 0;
  std::int64_t top = 0;
  std::int64_t bottom = 0;
};

/// Pads by reflection (without repeating the edge), repeatedly if the image is small; a side of one pixel is
/// replicated. x: (B, C, H, W).
torch::Tensor pad_reflect(const torch::Tensor& x, const Margins& margins);

/// The inverse: removes the margins.
torch::Tensor crop(const torch::Tensor& x, const Margins& margins);

}  // namespace fmboost
