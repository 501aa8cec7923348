#pragma once

#include <memory>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "fmboost/nn/autoencoder_options.h"
#include "fmboost/nn/strips.h"

namespace fmboost {

struct AutoencoderLayers;

/// The distribution of the latent of an image: independent normal distributions, each (B, C, H, W).
struct GaussianPosterior {
  torch::Tensor mean;
  torch::Tensor log_variance;  ///< within [-30, 20]

  const torch::Tensor& mode() const { return mean; }
};

/// Stable Diffusion's autoencoder (arXiv 2112.10752), whose parameters have the names of diffusers'
/// AutoencoderKL, and no values until load_into() reads them. Latents are not scaled.
class AutoencoderKlImpl : public torch::nn::Module {
 public:
  explicit AutoencoderKlImpl(AutoencoderKlOptions options);

  /// pixels (B, in_channels, H, W) in [-1, 1], sides multiples of options().factor() -> latents of H / factor, W /
  /// factor. With `strips` it is computed strip by strip, with the same result and without gradients.
  GaussianPosterior encode(const torch::Tensor& pixels, const StripLimits* strips = nullptr) const;
  /// latent (B, latent_channels, H, W) -> pixels (B, out_channels, H factor, W factor), about [-1, 1]
  torch::Tensor decode(const torch::Tensor& latent, const StripLimits* strips = nullptr) const;

  /// The largest number of activations that encoding or decoding a whole image holds at one time, per pixel of the
  /// image. Attention scores are not counted.
  double peak_activations_per_pixel() const;

  const AutoencoderKlOptions& options() const { return options_; }

 private:
  void build_encoder();
  void build_decoder();

  AutoencoderKlOptions options_;
  std::shared_ptr<AutoencoderLayers> layers_;
};
TORCH_MODULE(AutoencoderKl);

}  // namespace fmboost
