#include "attention.h"

namespace fmboost {

torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                     bool causal) {
  const auto split = [&](const torch::Tensor& x) { return x.unflatten(2, {heads, -1}).transpose(1, 2); };
  return at::scaled_dot_product_attention(split(q), split(k), split(v), /*attn_mask=*/{}, /*dropout_p=*/0.0, causal)
      .transpose(1, 2)
      .flatten(2);
}

torch::Tensor to_tokens(const torch::Tensor& x) {
  return x.flatten(2).transpose(1, 2).contiguous();
}

torch::Tensor from_tokens(const torch::Tensor& tokens, at::IntArrayRef sizes) {
  return tokens.transpose(1, 2).reshape({sizes[0], tokens.size(2), sizes[2], sizes[3]});
}

}  // namespace fmboost
