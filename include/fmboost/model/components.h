#pragma once

#include <cstdint>
#include <optional>
#include <torch/types.h>

#include "fmboost/core/placement.h"
#include "fmboost/nn/strips.h"

namespace fmboost {

/// The networks of the pipeline. Each call moves its inputs to the device and dtype of the component and returns
/// float32 on that device; no other code converts devices or dtypes.

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  /// ids: (B, max_length) int64 -> (B, max_length, width). `clip_skip`: return the states of this layer, counted from
  /// the last, 1, instead of that of the bundle. Throws ModelError if the encoder has no such layer.
  torch::Tensor encode(const torch::Tensor& ids, std::optional<int> clip_skip = {}) {
    return encode_at(ids, clip_skip);
  }

 private:
  virtual torch::Tensor encode_at(const torch::Tensor& ids, std::optional<int> clip_skip) = 0;
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// x (B, C, H, W), one timestep for the whole batch, text (B, max_length, width), guidance (B, dim) or undefined
  /// -> epsilon or v, (B, C, H, W). Native networks accept text states of any length.
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

/// An autoencoder that can also work strip by strip, with the results of encode() and decode().
class StripAutoencoder : public Autoencoder {
 public:
  virtual torch::Tensor encode_in_strips(const torch::Tensor& pixels, const StripLimits& limits) = 0;
  virtual torch::Tensor decode_in_strips(const torch::Tensor& latent, const StripLimits& limits) = 0;
  /// What either takes beside its limits, in bytes per pixel: the image and attention over all of its latent.
  virtual double bytes_per_pixel_in_strips() const = 0;
};

class VelocityNetwork {
 public:
  virtual ~VelocityNetwork() = default;
  /// v(x, t | context): x (B, C, H, W), one time for the whole batch, context of the shape of x or undefined -> (B, C,
  /// H, W). With `strips` it is computed strip by strip, with the same result; kept_bytes is ignored.
  virtual torch::Tensor velocity(const torch::Tensor& x, double t, const torch::Tensor& context,
                                 const StripLimits* strips = nullptr) = 0;
};

}  // namespace fmboost
