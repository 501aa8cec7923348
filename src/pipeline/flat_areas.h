#pragma once

#include <torch/types.h>

namespace fmboost {

/// Gives pixels of an upscaled image whose surroundings in the source have one color that very color: networks and
/// bicubic filters leave faint ripples in flat areas beside edges, so that white paper turns gray. A pixel's
/// surroundings are the 3x3 pixels around the nearest one. Both (1, C, H, W) float32; changes `upscaled`.
void hold_flat_areas(torch::Tensor& upscaled, const torch::Tensor& source);

}  // namespace fmboost
