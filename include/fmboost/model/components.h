#pragma once

#include <cstdint>
#include <optional>
#include <torch/types.h>

#include "fmboost/core/placement.h"
#include "fmboost/nn/strips.h"

namespace fmboost {

struct AutoencoderEntry;
struct PixelUpscalerEntry;

/// The networks as the pipeline sees them. A call moves its inputs to the component's device and dtype and returns
/// float32 on that device, so callers never convert devices or dtypes.

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  /// ids: (B, max_length) int64 -> (B, max_length, width). `clip_skip`: return the states of this layer, counted from
  /// the last one (1), instead of the layer that the bundle names. Throws ModelError if the encoder has no such layer.
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
  /// Tensor memory that encoding or decoding a whole image needs beyond the weights, in bytes per pixel.
  virtual double bytes_per_pixel() const = 0;
};

/// An autoencoder that can also work strip by strip, with the same results as encode and decode.
class StripAutoencoder : public Autoencoder {
 public:
  virtual torch::Tensor encode_in_strips(const torch::Tensor& pixels, const StripLimits& limits) = 0;
  virtual torch::Tensor decode_in_strips(const torch::Tensor& latent, const StripLimits& limits) = 0;
};

/// Tensor memory that encoding or decoding needs beyond the weights, in bytes per pixel of the image.
struct AutoencoderMemory {
  double bytes_per_pixel = 0;  ///< whole image at once
  /// Strip by strip, in addition to the StripLimits: the image, and attention over all of its latent. None: the
  /// autoencoder cannot work strip by strip.
  std::optional<double> strip_bytes_per_pixel;
};

/// The memory of a native autoencoder in this dtype, estimated from its layers; its weights are not read. None for
/// TorchScript programs: they are measured when they are loaded (Autoencoder::bytes_per_pixel).
std::optional<AutoencoderMemory> estimate_memory(const AutoencoderEntry& entry, torch::ScalarType dtype);

/// A network that upscales pixels directly.
class PixelUpscaler {
 public:
  virtual ~PixelUpscaler() = default;
  /// pixels (B, 3, H, W) in [0, 1], sides multiples of the entry's size_multiple() -> (B, 3, H factor, W factor), about
  /// [0, 1], not clamped. With `strips` it is computed strip by strip, with the same result.
  virtual torch::Tensor upscale(const torch::Tensor& pixels, const StripLimits* strips = nullptr) = 0;
};

/// Tensor memory of a pixel upscaler in this dtype, in bytes per pixel of its result: for the whole image at once.
double estimate_bytes_per_pixel(const PixelUpscalerEntry& entry, torch::ScalarType dtype);

class VelocityNetwork {
 public:
  virtual ~VelocityNetwork() = default;
  /// v(x, t | context): x (B, C, H, W), one time for the whole batch, context of x's size or undefined -> (B, C, H, W).
  /// With `strips` it is computed strip by strip, with the same result; `kept_bytes` has no effect here.
  virtual torch::Tensor velocity(const torch::Tensor& x, double t, const torch::Tensor& context,
                                 const StripLimits* strips = nullptr) = 0;
};

}  // namespace fmboost
