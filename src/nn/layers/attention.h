#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Attention of several heads: q (B, N, C), k and v (B, M, C) -> (B, N, C). `causal`: token n sees tokens 0 to n. Where
/// the scores of all queries would take too much memory (more than `most_scores`) they are taken in several goes.
inline constexpr std::int64_t kMostScores = std::int64_t{1} << 28;
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t heads,
                     bool causal = false, std::int64_t most_scores = kMostScores);

/// As many latent pixels as are worth comparing with each other: 288 x 288, the latents of 2304 x 2304 pixels at a factor of 8.
/// At twice the side it would take 16 times as long: hours.
inline constexpr std::int64_t kMostLatentPixels = 288 * 288;

/// Attention of one head over the latent pixels of an image of `height` rows: q, k and v (B, height W, C). Every latent pixel sees all
/// of them; or, where there are more than `most_latent_pixels`, those of as many whole rows as that are, with its own row in
/// the middle as far as the edges allow.
torch::Tensor attend_positions(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, std::int64_t height,
                           std::int64_t most_latent_pixels);

/// (B, C, H, W) -> (B, H W, C), and back to the sizes of an image that has as many latent pixels. What is added to an image
/// laid out in planes comes second in the sum, since a sum is laid out as its first part.
torch::Tensor to_tokens(const torch::Tensor& x);
torch::Tensor from_tokens(const torch::Tensor& tokens, at::IntArrayRef sizes);

}  // namespace fmboost
