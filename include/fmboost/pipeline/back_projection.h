#pragma once

#include <torch/types.h>

#include "fmboost/core/enum_names.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// y <- y + upsample(source - downsample(y)), `rounds` times, bicubic, with antialiasing when downsampling: makes an
/// upscaled image consistent with its source. Both (B, 3, H, W) float32 in [-1, 1]; the result is not clamped.
torch::Tensor back_project(torch::Tensor upscaled, const torch::Tensor& source, int rounds);

/// Correction of colors that drift from the source.
enum class ColorFix { none, adain, wavelet };

template <>
inline constexpr auto kEnumNames<ColorFix> = enum_table<ColorFix>("color fix", {{ColorFix::none, "none"},
                                                                                {ColorFix::adain, "adain"},
                                                                                {ColorFix::wavelet, "wavelet"}});

/// adain: gives every channel the mean and standard deviation of the source (Huang & Belongie 2017).
/// wavelet: combines the low frequencies of the resized source with the high frequencies of the result (five levels of
/// the a-trous transform with the binomial kernel [1 2 1] / 4).
torch::Tensor fix_colors(const torch::Tensor& upscaled, const torch::Tensor& source, ColorFix fix);

}  // namespace fmboost
