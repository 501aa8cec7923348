#include "nn/stable_diffusion/spatial_transformer.h"

#include "nn/layers/attention.h"

namespace fmboost {
namespace {

constexpr double kGroupNormEps = 1e-6;  // differs from the UNet's

}  // namespace

AttentionImpl::AttentionImpl(std::int64_t channels, std::int64_t source_width, std::int64_t heads) : heads_(heads) {
  to_q_ = register_module("to_q", layers::Linear(channels, channels, /*with_bias=*/false));
  to_k_ = register_module("to_k", layers::Linear(source_width, channels, /*with_bias=*/false));
  to_v_ = register_module("to_v", layers::Linear(source_width, channels, /*with_bias=*/false));
  to_out_ = layers::add(*this, "to_out.0", layers::Linear(channels, channels));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& source) const {
  return to_out_->forward(attend(to_q_->forward(x), to_k_->forward(source), to_v_->forward(source), heads_));
}

TransformerBlockImpl::TransformerBlockImpl(const SpatialTransformerOptions& options) {
  const std::int64_t channels = options.channels;
  norm1_ = register_module("norm1", layers::LayerNorm(channels));
  attn1_ = register_module("attn1", Attention(channels, channels, options.heads));
  norm2_ = register_module("norm2", layers::LayerNorm(channels));
  attn2_ = register_module("attn2", Attention(channels, options.text_width, options.heads));
  norm3_ = register_module("norm3", layers::LayerNorm(channels));
  ff_in_ = layers::add(*this, "ff.net.0.proj", layers::Linear(channels, 2 * 4 * channels));
  ff_out_ = layers::add(*this, "ff.net.2", layers::Linear(4 * channels, channels));
}

torch::Tensor TransformerBlockImpl::forward(torch::Tensor x, const torch::Tensor& text) const {
  const torch::Tensor h = norm1_->forward(x);
  x = x + attn1_->forward(h, h);
  x = x + attn2_->forward(norm2_->forward(x), text);
  const auto halves = ff_in_->forward(norm3_->forward(x)).chunk(2, -1);
  return x + ff_out_->forward(halves[0] * torch::gelu(halves[1]));
}

SpatialTransformerImpl::SpatialTransformerImpl(const SpatialTransformerOptions& options) {
  const std::int64_t channels = options.channels;
  const bool convolution = !options.linear_projection;
  norm_ = register_module("norm", layers::GroupNorm(options.norm_groups, channels, kGroupNormEps));
  proj_in_ = register_module("proj_in", layers::Linear(channels, channels, /*with_bias=*/true, convolution));
  for (std::int64_t i = 0; i < options.depth; ++i) {
    blocks_.push_back(layers::add(*this, "transformer_blocks." + std::to_string(i), TransformerBlock(options)));
  }
  proj_out_ = register_module("proj_out", layers::Linear(channels, channels, /*with_bias=*/true, convolution));
}

torch::Tensor SpatialTransformerImpl::forward(const torch::Tensor& x, const torch::Tensor& text) const {
  torch::Tensor tokens = proj_in_->forward(to_tokens(norm_->forward(x)));
  for (const auto& block : blocks_) {
    tokens = block->forward(tokens, text);
  }
  return x + from_tokens(proj_out_->forward(tokens), x.sizes());
}

}  // namespace fmboost
