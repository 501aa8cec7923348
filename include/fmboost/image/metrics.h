#pragma once

#include <cstdint>
#include <limits>
#include <torch/types.h>

namespace fmboost {

/// Differences of an image from its reference. Samples are scaled to 0 .. 255 and not rounded.
struct Quality {
  double mse = 0;          ///< mean squared error of the R, G and B samples
  double psnr_rgb = 0;     ///< dB, 10 log10(255^2 / mse); infinite for equal images
  double psnr_y = 0;       ///< the same of the luma, see `luma`
  double ssim_rgb = 0;     ///< mean of the three channels' SSIM
  double ssim_y = 0;       ///< SSIM of the luma
  double color_shift = 0;  ///< largest of the channels' |mean difference|
  double sharpness = 0;    ///< neighbor_difference() of the luma as a share of the reference's; NaN if that is flat
  double grain = 0;        ///< the same difference within the reference's flat squares, less the reference's own
  double niqe = std::numeric_limits<double>::quiet_NaN();  ///< see fmboost/eval/niqe.h; NaN: not measured
};

/// Compares two images, each (3, H, W) in [-1, 1], after cutting `border` pixels off every side, as super-resolution
/// results are compared (border = scale). Throws Error if the sizes differ, or if fewer than 11x11 pixels (the window
/// of SSIM) remain.
Quality measure_quality(const torch::Tensor& image, const torch::Tensor& reference, std::int64_t border = 0);

/// (3, H, W) RGB in 0 .. 255 -> (1, H, W) luma in 16 .. 235, not rounded: 16 + (65.481 R + 128.553 G + 24.966 B) / 255,
/// as in ITU-R BT.601 and MATLAB's rgb2ycbcr.
torch::Tensor luma(const torch::Tensor& rgb);

/// The mean absolute difference of horizontally and vertically neighboring samples of (1, H, W).
double neighbor_difference(const torch::Tensor& samples);

/// The 16x16 squares of (1, H, W) with the smallest neighbor_difference(): 2 % of all that fit, at least one. Their
/// upper left corners, as (row, column) of an (N, 2) tensor; empty if none fits.
torch::Tensor flat_squares(const torch::Tensor& samples);

/// PSNR in dB from the mean squared error of samples with a peak of 255.
double psnr(double mse);

/// Structural similarity of (C, H, W) samples in 0 .. 255, mean over channels and windows (Wang et al. 2004): Gaussian
/// windows of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population variances, only windows within the image. Computed
/// in float64.
double ssim(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace fmboost
