#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Attention of several heads: q (B, N, C), k and v (B, M, C) -> (B, N, C). `causal`: token n sees tokens 0 to n.
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                     bool causal = false);

/// (B, C, H, W) -> (B, H W, C), and back to the sizes of a picture that has as many sites. What is added to a picture
/// laid out in planes comes second in the sum, since a sum is laid out as its first part.
torch::Tensor to_tokens(const torch::Tensor& x);
torch::Tensor from_tokens(const torch::Tensor& tokens, at::IntArrayRef sizes);

}  // namespace fmboost
