#pragma once

#include <vector>

#include "nn/layers/layers.h"

namespace fmboost {

struct SpatialTransformerOptions {
  std::int64_t channels = 320;
  std::int64_t heads = 8;
  std::int64_t text_width = 768;
  std::int64_t depth = 1;
  std::int64_t norm_groups = 32;
  bool linear_projection = false;
};

/// Queries from x (B, N, channels), keys and values from `source` (B, M, width) -> (B, N, channels). Names: to_q, to_k,
/// to_v, to_out.0.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(std::int64_t channels, std::int64_t source_width, std::int64_t heads);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& source) const;

 private:
  std::int64_t heads_;
  layers::Linear to_q_ = nullptr, to_k_ = nullptr, to_v_ = nullptr, to_out_ = nullptr;
};
TORCH_MODULE(Attention);

/// Self-attention over the latent pixels, cross-attention to the words, feed-forward (GEGLU, arXiv 2002.05202):
/// diffusers' BasicTransformerBlock.
class TransformerBlockImpl : public torch::nn::Module {
 public:
  explicit TransformerBlockImpl(const SpatialTransformerOptions& options);
  /// x (B, N, channels), text (B, M, text_width) -> the shape of x
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& text) const;

 private:
  layers::LayerNorm norm1_ = nullptr, norm2_ = nullptr, norm3_ = nullptr;
  Attention attn1_ = nullptr, attn2_ = nullptr;
  layers::Linear ff_in_ = nullptr, ff_out_ = nullptr;
};
TORCH_MODULE(TransformerBlock);

/// Transformer blocks over the latent pixels of an image, between two projections, with a residual connection:
/// diffusers' Transformer2DModel.
class SpatialTransformerImpl : public torch::nn::Module {
 public:
  explicit SpatialTransformerImpl(const SpatialTransformerOptions& options);
  /// x (B, channels, H, W), text (B, M, text_width) -> the shape of x
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& text) const;

 private:
  layers::GroupNorm norm_ = nullptr;
  layers::Linear proj_in_ = nullptr, proj_out_ = nullptr;
  std::vector<TransformerBlock> blocks_;
};
TORCH_MODULE(SpatialTransformer);

}  // namespace fmboost
