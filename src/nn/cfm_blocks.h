#pragma once

#include <functional>
#include <torch/nn.h>
#include <vector>

namespace fmboost {

/// Residual block of the CFM UNet: GroupNorm, SiLU, convolution, twice, with the time embedding in between, either as
/// scale and shift of the second norm or added before it.
class CfmResBlockImpl : public torch::nn::Module {
 public:
  CfmResBlockImpl(std::int64_t in_channels, std::int64_t embedding, std::int64_t out_channels, bool scale_shift,
                  double dropout);
  /// x (B, in, H, W), embedding (B, E) -> (B, out, H, W)
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& embedding);

 private:
  bool scale_shift_;
  torch::nn::GroupNorm in_norm_ = nullptr, out_norm_ = nullptr;
  torch::nn::Conv2d in_conv_ = nullptr, out_conv_ = nullptr, skip_ = nullptr;
  torch::nn::Linear embedding_ = nullptr;
  torch::nn::Dropout dropout_ = nullptr;
};
TORCH_MODULE(CfmResBlock);

/// Self-attention over the sites. The (B, 3 heads dim, L) projection is reshaped, not transposed, to
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

/// A convolution of stride 2 ("op"), or average pooling without one.
class CfmDownsampleImpl : public torch::nn::Module {
 public:
  CfmDownsampleImpl(std::int64_t channels, bool convolve);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::Conv2d op_ = nullptr;
};
TORCH_MODULE(CfmDownsample);

/// Nearest 2x, then a convolution ("conv") where asked for.
class CfmUpsampleImpl : public torch::nn::Module {
 public:
  CfmUpsampleImpl(std::int64_t channels, bool convolve);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::Conv2d conv_ = nullptr;
};
TORCH_MODULE(CfmUpsample);

/// Blocks applied one after the other; their names are 0, 1, ... Only residual blocks see the time embedding.
class CfmStage : public torch::nn::Module {
 public:
  void add(CfmResBlock block);
  template <typename Holder>
  void add(Holder block) {
    register_module(next_name(), block);
    layers_.push_back([block](const torch::Tensor& x, const torch::Tensor&) mutable { return block->forward(x); });
  }
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& embedding);

 private:
  std::string next_name() const { return std::to_string(layers_.size()); }

  std::vector<std::function<torch::Tensor(const torch::Tensor&, const torch::Tensor&)>> layers_;
};

/// Sets weight and bias to zero: the block then starts as its residual alone.
template <typename Holder>
Holder zeroed(Holder convolution) {
  const torch::NoGradGuard no_grad;
  convolution->weight.zero_();
  convolution->bias.zero_();
  return convolution;
}

}  // namespace fmboost
