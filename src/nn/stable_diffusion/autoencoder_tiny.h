#pragma once

#include <memory>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "fmboost/nn/autoencoder_options.h"
#include "fmboost/nn/strips.h"

namespace fmboost {

struct AutoencoderLayers;

/// The tiny autoencoder, whose parameters have the names of diffusers' AutoencoderTiny, and no values until
/// load_into() reads them. It has no norms and no attention: a pixel depends on its neighborhood only. Its latents are
/// the scaled ones of Stable Diffusion.
class AutoencoderTinyImpl : public torch::nn::Module {
 public:
  explicit AutoencoderTinyImpl(AutoencoderTinyOptions options);

  /// pixels (B, in_channels, H, W) in [-1, 1], sides multiples of options().factor() -> latents of H / factor, W /
  /// factor. With `strips` it is computed strip by strip, with the same result and without gradients.
  torch::Tensor encode(const torch::Tensor& pixels, const StripLimits* strips = nullptr) const;
  /// latent (B, latent_channels, H, W) -> pixels (B, out_channels, H factor, W factor), about [-1, 1]
  torch::Tensor decode(const torch::Tensor& latent, const StripLimits* strips = nullptr) const;

  /// The largest number of activations that encoding or decoding a whole image holds at one time, per pixel of the
  /// image. Attention scores are not counted.
  double peak_activations_per_pixel() const;

  const AutoencoderTinyOptions& options() const { return options_; }

 private:
  void build_encoder();
  void build_decoder();

  AutoencoderTinyOptions options_;
  std::shared_ptr<AutoencoderLayers> layers_;
};
TORCH_MODULE(AutoencoderTiny);

}  // namespace fmboost
