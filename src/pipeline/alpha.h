#pragma once

#include <torch/types.h>

namespace fmboost {

/// Replaces the colors of fully transparent pixels by those of the visible ones around them, so that filters do not mix
/// hidden colors into visible ones. pixels: (3, H, W), alpha: (1, H, W) in [0, 1]. Visible pixels are unchanged, and so
/// is an image without any.
torch::Tensor spread_colors(const torch::Tensor& pixels, const torch::Tensor& alpha);

/// Upscales alpha (1, H, W) bicubically. If it is only 0 and 1, its edges are as wide as a pixel of the result instead
/// of one of the source: a = clamp((bicubic - 1/2) s + 1/2, 0, 1) with the factor s of the sides.
torch::Tensor upscale_alpha(const torch::Tensor& alpha, std::int64_t height, std::int64_t width);

}  // namespace fmboost
