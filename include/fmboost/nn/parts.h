#pragma once

#include <cstdint>
#include <optional>
#include <torch/types.h>

#include "fmboost/core/placement.h"

namespace fmboost {

/// The networks as the pipeline sees them. A call moves its inputs to the part's device and dtype and returns float32
/// on that device; nobody else asks about devices and dtypes.

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  /// ids: (B, max_length) int64 -> (B, max_length, width)
  virtual torch::Tensor encode(const torch::Tensor& ids) = 0;
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// x (B, C, H, W), one timestep for the whole batch, text (B, max_length, width), guidance (B, dim) or undefined
  /// -> epsilon or v, (B, C, H, W)
  virtual torch::Tensor predict(const torch::Tensor& x, double timestep, const torch::Tensor& text,
                                const torch::Tensor& guidance) = 0;
};

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  /// pixels (B, 3, H, W) in [-1, 1], sides multiples of the factor -> scaled latent (B, C, H / factor, W / factor):
  /// (mode of the posterior - shift) * scale
  virtual torch::Tensor encode(const torch::Tensor& pixels) = 0;
  /// scaled latent -> pixels, about [-1, 1], not clamped
  virtual torch::Tensor decode(const torch::Tensor& latent) = 0;
  /// Tensor memory that encoding or decoding takes beyond the weights, in bytes per pixel, as weighed at a small size.
  virtual double bytes_per_pixel() const = 0;
};

class VelocityNetwork {
 public:
  virtual ~VelocityNetwork() = default;
  /// v(x, t | context): x (B, C, H, W), one time for the whole batch, context of x's size or undefined -> (B, C, H, W)
  virtual torch::Tensor velocity(const torch::Tensor& x, double t, const torch::Tensor& context) = 0;
};

}  // namespace fmboost
