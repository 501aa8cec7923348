#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Multi-head attention: q (B, N, C), k and v (B, M, C) -> (B, N, C). `causal`: token n sees tokens 0 to n. If there
/// are more than `most_scores` scores, the queries are processed in several chunks to save memory.
inline constexpr std::int64_t kMostScores = std::int64_t{1} << 28;
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                     bool causal = false, std::int64_t most_scores = kMostScores);

/// The largest number of latent pixels for full attention: 288 x 288, the latents of 2304 x 2304 pixels at a factor
/// of 8. Twice the side would take 16 times as long: hours.
inline constexpr std::int64_t kMostLatentPixels = 288 * 288;

/// Attention with one head over the latent pixels of an image with `height` rows: q, k and v (B, height W, C). Every
/// latent pixel sees all others; if there are more than `most_latent_pixels`, it sees that many in whole rows, with its
/// own row in the middle as far as the edges allow.
torch::Tensor attend_positions(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                               std::int64_t height, std::int64_t most_latent_pixels);

/// (B, C, H, W) -> (B, H W, C), and back to the sizes of an image with as many latent pixels. When the result is added
/// to a contiguous image, put it second: a sum takes the memory layout of its first operand.
torch::Tensor to_tokens(const torch::Tensor& x);
torch::Tensor from_tokens(const torch::Tensor& tokens, at::IntArrayRef sizes);

}  // namespace fmboost
