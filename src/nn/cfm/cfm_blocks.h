#pragma once

#include <cstdint>
#include <torch/nn.h>
#include <variant>
#include <vector>

namespace fmboost {

/// Groups of every group norm of the CFM UNet.
inline constexpr std::int64_t kCfmGroups = 32;

/// Blocks of the CFM UNet. Their layers are public for running the network strip by strip.

/// convolution->forward(x), by convolve() for 3x3 convolutions of stride 1 and padding 1.
torch::Tensor convolve(const torch::nn::Conv2d& convolution, const torch::Tensor& x);

/// Residual block: GroupNorm, SiLU and convolution, twice. The time embedding is the scale and shift of the second
/// norm, or is added before it.
class CfmResBlockImpl : public torch::nn::Module {
 public:
  CfmResBlockImpl(std::int64_t in_channels, std::int64_t embedding, std::int64_t out_channels, bool scale_shift,
                  double dropout);
  /// x (B, in, H, W), embedding (B, E) -> (B, out, H, W)
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& embedding);
  /// The projected time embedding: (B, out or 2 out, 1, 1)
  torch::Tensor time_terms(const torch::Tensor& embedding);

  bool scale_shift;
  torch::nn::GroupNorm in_norm = nullptr, out_norm = nullptr;
  torch::nn::Conv2d in_conv = nullptr, out_conv = nullptr;
  torch::nn::Conv2d skip = nullptr;  ///< null if the number of channels does not change
  torch::nn::Linear time_layer = nullptr;
  torch::nn::Dropout dropout = nullptr;
};
TORCH_MODULE(CfmResBlock);

/// Self-attention over the latent pixels. The (B, 3 heads dim, L) projection is reshaped, not transposed, to
/// (B, heads, L, 3 dim): trained weights depend on it.
class CfmAttentionImpl : public torch::nn::Module {
 public:
  CfmAttentionImpl(std::int64_t channels, std::int64_t heads, std::int64_t dim_head, bool linear);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::int64_t heads_, dim_head_;
  bool linear_;
  torch::nn::GroupNorm norm_ = nullptr;
  torch::nn::Conv1d qkv_ = nullptr, proj_out_ = nullptr;
};
TORCH_MODULE(CfmAttention);

/// A convolution of stride 2 ("op"), or average pooling.
class CfmDownsampleImpl : public torch::nn::Module {
 public:
  CfmDownsampleImpl(std::int64_t channels, bool convolve);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Conv2d op = nullptr;
};
TORCH_MODULE(CfmDownsample);

/// Nearest-neighbor upsampling by 2, then optionally a convolution ("conv").
class CfmUpsampleImpl : public torch::nn::Module {
 public:
  CfmUpsampleImpl(std::int64_t channels, bool convolve);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Conv2d conv = nullptr;
};
TORCH_MODULE(CfmUpsample);

using CfmBlock = std::variant<torch::nn::Conv2d, CfmResBlock, CfmAttention, CfmDownsample, CfmUpsample>;

/// Blocks applied one after the other; their names are 0, 1, ... Only residual blocks see the time embedding.
class CfmStage : public torch::nn::Module {
 public:
  template <typename Holder>
  void add(Holder block) {
    register_module(std::to_string(blocks_.size()), block);
    blocks_.emplace_back(std::move(block));
  }
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& embedding);

  const std::vector<CfmBlock>& blocks() const { return blocks_; }

 private:
  std::vector<CfmBlock> blocks_;
};

}  // namespace fmboost
