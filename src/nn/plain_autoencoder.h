#pragma once

#include "layers.h"

#include "fmboost/nn/default_model_options.h"

namespace fmboost {

/// The default bundle's autoencoder, under the names that scripts/default_model/networks.py gives its parameters. It
/// has no norms and no attention: a pixel depends on what is near it alone. Latents are not scaled.
class PlainAutoencoderImpl : public torch::nn::Module {
 public:
  explicit PlainAutoencoderImpl(PlainAutoencoderOptions options);

  /// pixels (B, 3, H, W) in [-1, 1], sides multiples of 4 -> latent (B, latent_channels, H / 4, W / 4)
  torch::Tensor encode(const torch::Tensor& pixels) const;
  /// latent -> pixels, about [-1, 1]
  torch::Tensor decode(const torch::Tensor& latent) const;

 private:
  /// relu, convolution, relu, convolution, beside a skip
  struct Block {
    layers::Conv2d conv1, conv2;
  };
  std::vector<Block> add_blocks(const std::string& name, std::int64_t channels, std::int64_t count);
  static torch::Tensor run(const std::vector<Block>& blocks, torch::Tensor x);

  layers::Conv2d encoder_in_ = nullptr, encoder_out_ = nullptr;
  layers::Conv2d decoder_in_ = nullptr, decoder_up_ = nullptr, decoder_out_ = nullptr;
  std::vector<Block> encoder_blocks_, decoder_blocks_, fine_blocks_;
};
TORCH_MODULE(PlainAutoencoder);

}  // namespace fmboost
