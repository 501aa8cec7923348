#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "nn/layers/lazy_feature_map.h"
#include "nn/stable_diffusion/unet_blocks.h"

namespace fmboost {

/// Self-attention over latent pixels with one head and a residual connection; in large images limited to nearby rows
/// (see attend_positions).
class SpatialSelfAttentionImpl : public torch::nn::Module {
 public:
  SpatialSelfAttentionImpl(std::int64_t channels, NormOptions norm);
  /// x (B, channels, H, W) -> the shape of x
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::GroupNorm group_norm = nullptr;
  layers::Linear to_q = nullptr, to_k = nullptr, to_v = nullptr, to_out = nullptr;
};
TORCH_MODULE(SpatialSelfAttention);

/// The residual block of the tiny autoencoder: three convolutions with ReLUs between them, and a ReLU at the end.
class TinyBlockImpl : public torch::nn::Module {
 public:
  explicit TinyBlockImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::Conv2d conv0 = nullptr, conv2 = nullptr, conv4 = nullptr;
};
TORCH_MODULE(TinyBlock);

/// The residual block of the default bundle: ReLU and convolution, twice.
class PlainBlockImpl : public torch::nn::Module {
 public:
  explicit PlainBlockImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;

  layers::Conv2d conv1 = nullptr, conv2 = nullptr;
};
TORCH_MODULE(PlainBlock);

/// A layer without parameters.
struct Pointwise {
  Layer function;
};
struct NearestUpsample {};  ///< by a factor of 2
struct PixelShuffle {
  std::int64_t factor = 2;
};
struct PixelUnshuffle {
  std::int64_t factor = 2;
};

using AutoencoderLayer =
    std::variant<layers::Conv2d, layers::NormSilu, ResnetBlock, SpatialSelfAttention, Downsample, Upsample, TinyBlock,
                 PlainBlock, Pointwise, NearestUpsample, PixelShuffle, PixelUnshuffle>;

/// Layers in the order of their application.
using LayerList = std::vector<AutoencoderLayer>;

struct AutoencoderLayers {
  LayerList encoder;  ///< from pixels
  LayerList decoder;  ///< from latents
};

torch::Tensor run_layer(const AutoencoderLayer& layer, const torch::Tensor& x);

}  // namespace fmboost
