#pragma once

#include <cstddef>
#include <string>
#include <torch/types.h>
#include <vector>

#include "image/raw_image.h"

namespace fmboost {

/// Conversions between an ICC profile and sRGB, by LittleCMS in unbounded floating point: nothing is clipped.

/// samples: (H, W, C) float32 in [0, 1], C by the model -> (H, W, 3) sRGB. Without a profile, or with one that is
/// damaged (with a warning), of another model or sRGB: RGB is unchanged, gray is repeated, and CMYK is multiplied out.
/// `keep_profile`: whether a result should be converted back, that is, for RGB with a valid profile other than sRGB
/// that supports conversion in this direction.
torch::Tensor to_srgb(const torch::Tensor& samples, ColorModel model, const std::vector<std::byte>& profile,
                      const std::string& name, bool& keep_profile);

/// (H, W, 3) sRGB float32 -> (H, W, 3) in the profile, which must be a valid RGB profile. Throws Error otherwise.
torch::Tensor from_srgb(const torch::Tensor& samples, const std::vector<std::byte>& profile);

}  // namespace fmboost
