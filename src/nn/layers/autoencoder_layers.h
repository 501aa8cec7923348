#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "nn/layers/lazy_feature_map.h"
#include "nn/stable_diffusion/unet_blocks.h"

namespace fmboost {

/// Every latent pixel looks at all others, with one head, beside a skip; in large images at those of the rows around its own
/// (see attend_positions).
class SpatialSelfAttentionImpl : public torch::nn::Module {
 public:
  SpatialSelfAttentionImpl(std::int64_t channels, NormOptions norm);
  /// x (B, channels, H, W) -> as x
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::GroupNorm group_norm = nullptr;
  layers::Linear to_q = nullptr, to_k = nullptr, to_v = nullptr, to_out = nullptr;
};
TORCH_MODULE(SpatialSelfAttention);

/// Three convolutions beside a skip, ReLUs between and behind: the tiny autoencoder's block.
class TinyBlockImpl : public torch::nn::Module {
 public:
  explicit TinyBlockImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::Conv2d conv0 = nullptr, conv2 = nullptr, conv4 = nullptr;
};
TORCH_MODULE(TinyBlock);

/// ReLU, convolution, twice, beside a skip: the default bundle's block.
class PlainBlockImpl : public torch::nn::Module {
 public:
  explicit PlainBlockImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::Conv2d conv1 = nullptr, conv2 = nullptr;
};
TORCH_MODULE(PlainBlock);

/// What has no parameters.
struct Pointwise {
  Layer function;
};
struct UpscaleTwice {};  ///< to the nearest latent pixel
struct PixelShuffle {
  std::int64_t factor = 2;
};
struct PixelUnshuffle {
  std::int64_t factor = 2;
};

using AutoencoderLayer =
    std::variant<layers::Conv2d, layers::NormSilu, ResnetBlock, SpatialSelfAttention, Downsample, Upsample, TinyBlock,
                 PlainBlock, Pointwise, UpscaleTwice, PixelShuffle, PixelUnshuffle>;

/// Each is applied to what the one before it gave.
using LayerList = std::vector<AutoencoderLayer>;

struct AutoencoderLayers {
  LayerList encoder;  ///< from pixels
  LayerList decoder;  ///< from latents
};

torch::Tensor run_layer(const AutoencoderLayer& layer, const torch::Tensor& x);

}  // namespace fmboost
