#pragma once

#include <cstddef>
#include <string>
#include <torch/types.h>
#include <vector>

#include "image/raw_image.h"

namespace fmboost {

/// Colors between an ICC profile and sRGB, by LittleCMS in unbounded floating point: nothing is clipped.

/// samples: (H, W, C) float32 in [0, 1], C by the model -> (H, W, 3) sRGB. Without a profile, or with one that is
/// broken (a warning), of another model or sRGB itself: RGB stays as it is, gray is repeated, CMYK is multiplied out.
/// `keep_profile` tells whether a result should be converted back: only for RGB with a sound profile that is not sRGB
/// and that colors can be converted to.
torch::Tensor to_srgb(const torch::Tensor& samples, ColorModel model, const std::vector<std::byte>& profile,
                      const std::string& name, bool& keep_profile);

/// (H, W, 3) sRGB float32 -> (H, W, 3) in the profile, which must be a sound RGB one. Throws Error otherwise.
torch::Tensor from_srgb(const torch::Tensor& samples, const std::vector<std::byte>& profile);

}  // namespace fmboost
