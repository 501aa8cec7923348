#pragma once

#include <vector>

#include "nn/layers/layers.h"

namespace fmboost {

/// Sizes of the norms within a network.
struct NormOptions {
  std::int64_t groups = 32;
  double eps = 1e-5;
};

/// Blocks of Stable Diffusion's UNet and autoencoder under their names in diffusers (ResnetBlock2D, Downsample2D,
/// Upsample2D). Their layers are public for running a network strip by strip.

/// Residual block: norm, SiLU and convolution, twice; the time embedding, if any, is added in between.
class ResnetBlockImpl : public torch::nn::Module {
 public:
  /// `time`: width of the time embedding, 0 for none.
  ResnetBlockImpl(std::int64_t in, std::int64_t out, std::int64_t time, NormOptions norm);
  /// x (B, in, H, W), embedding (B, time) or undefined -> (B, out, H, W)
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& embedding = {}) const;

  layers::NormSilu norm1 = nullptr, norm2 = nullptr;
  layers::Conv2d conv1 = nullptr, conv2 = nullptr;
  layers::Linear time_emb_proj = nullptr;  ///< null without time
  layers::Conv2d conv_shortcut = nullptr;  ///< null if the number of channels does not change
};
TORCH_MODULE(ResnetBlock);

/// Halves the size. Autoencoders pad at the right and the bottom only.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(std::int64_t channels, bool pad_right_and_bottom);
  torch::Tensor forward(const torch::Tensor& x) const;

  bool pad_right_and_bottom;
  layers::Conv2d conv = nullptr;
};
TORCH_MODULE(Downsample);

/// Nearest-neighbor upsampling by 2, or to exactly `height` x `width`, then a convolution.
class UpsampleImpl : public torch::nn::Module {
 public:
  explicit UpsampleImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;
  torch::Tensor forward(const torch::Tensor& x, std::int64_t height, std::int64_t width) const;

  layers::Conv2d conv = nullptr;
};
TORCH_MODULE(Upsample);

}  // namespace fmboost
