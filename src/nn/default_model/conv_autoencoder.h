#pragma once

#include "fmboost/nn/default_model_options.h"

#include "nn/layers/autoencoder_layers.h"

namespace fmboost {

/// The autoencoder of the default bundle, with the parameter names of models/workshop/training/networks.py. It has no
/// norms and no attention: a pixel depends on its neighborhood only. Latents are not scaled.
class ConvAutoencoderImpl : public torch::nn::Module {
 public:
  explicit ConvAutoencoderImpl(ConvAutoencoderOptions options);

  /// pixels (B, 3, H, W) in [-1, 1], sides multiples of 4 -> latent (B, latent_channels, H / 4, W / 4). With `strips`
  /// it is computed strip by strip, with the same result and without gradients.
  torch::Tensor encode(const torch::Tensor& pixels, const StripLimits* strips = nullptr) const;
  /// latent -> pixels, about [-1, 1]
  torch::Tensor decode(const torch::Tensor& latent, const StripLimits* strips = nullptr) const;

  /// The largest number of activations that encoding or decoding a whole image holds at one time, per pixel of the
  /// image. Attention scores are not counted.
  double peak_activations_per_pixel() const;

 private:
  void build_encoder(const ConvAutoencoderOptions& options);
  void build_decoder(const ConvAutoencoderOptions& options);
  void add_convolution(LayerList& list, const std::string& name, std::int64_t in, std::int64_t out);
  void add_blocks(LayerList& list, const std::string& name, std::int64_t channels, std::int64_t count);

  std::int64_t latent_channels_;
  AutoencoderLayers layers_;
};
TORCH_MODULE(ConvAutoencoder);

}  // namespace fmboost
