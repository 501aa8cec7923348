#pragma once

#include "unet_blocks.h"

#include <variant>
#include <vector>

namespace fmboost {

/// Every site looks at all others, with one head, beside a skip.
class SiteAttentionImpl : public torch::nn::Module {
 public:
  SiteAttentionImpl(std::int64_t channels, NormOptions norm);
  /// x (B, channels, H, W) -> as x
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::GroupNorm group_norm = nullptr;
  layers::Linear to_q = nullptr, to_k = nullptr, to_v = nullptr, to_out = nullptr;
};
TORCH_MODULE(SiteAttention);

/// Norms see the whole picture, attention every site; the others see a site and its neighbours.
using AutoencoderLayer =
    std::variant<layers::Conv2d, layers::NormSilu, ResnetBlock, SiteAttention, Downsample, Upsample>;

torch::Tensor run_layer(const AutoencoderLayer& layer, const torch::Tensor& x);
torch::Tensor run_layers(const std::vector<AutoencoderLayer>& layers, torch::Tensor x);

struct AutoencoderKlLayers {
  std::vector<AutoencoderLayer> encoder;  ///< pixels -> mean and log variance
  std::vector<AutoencoderLayer> decoder;  ///< latent -> pixels
};

}  // namespace fmboost
