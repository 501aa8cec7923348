#include "nn/layers/attention.h"

#include <algorithm>
#include <vector>

#include "fmboost/core/interrupt.h"

namespace fmboost {
namespace {

torch::Tensor attend_at_once(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                             bool causal) {
  const auto split = [&](const torch::Tensor& x) { return x.unflatten(2, {heads, -1}).transpose(1, 2); };
  return at::scaled_dot_product_attention(split(q), split(k), split(v), /*attn_mask=*/{}, /*dropout_p=*/0.0, causal)
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace

torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                     bool causal, std::int64_t most_scores) {
  const std::int64_t count = std::max<std::int64_t>(most_scores / (q.size(0) * heads * k.size(1)), 1);
  if (causal || count >= q.size(1)) {  // prompts are short
    return attend_at_once(q, k, v, heads, causal);
  }
  std::vector<torch::Tensor> seen;
  for (const auto& some : q.split(count, 1)) {
    check_interrupt();
    seen.push_back(attend_at_once(some, k, v, heads, causal));
  }
  return torch::cat(seen, 1);
}

torch::Tensor attend_positions(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                               std::int64_t height, std::int64_t most_latent_pixels) {
  const std::int64_t width = q.size(1) / height;
  const std::int64_t rows = std::max<std::int64_t>(most_latent_pixels / width, 1);
  if (rows >= height) {
    return attend(q, k, v, /*heads=*/1);
  }
  std::vector<torch::Tensor> seen;
  for (std::int64_t row = 0; row < height; ++row) {
    check_interrupt();
    const std::int64_t first = std::clamp<std::int64_t>(row - rows / 2, 0, height - rows) * width;
    const auto near = [&](const torch::Tensor& x) { return x.slice(1, first, first + rows * width); };
    seen.push_back(attend(q.slice(1, row * width, (row + 1) * width), near(k), near(v), /*heads=*/1));
  }
  return torch::cat(seen, 1);
}

torch::Tensor to_tokens(const torch::Tensor& x) {
  return x.flatten(2).transpose(1, 2).contiguous();
}

torch::Tensor from_tokens(const torch::Tensor& tokens, at::IntArrayRef sizes) {
  return tokens.transpose(1, 2).reshape({sizes[0], tokens.size(2), sizes[2], sizes[3]});
}

}  // namespace fmboost
