#pragma once

#include <cstdint>
#include <vector>

namespace fmboost {

/// Stable Diffusion's autoencoder, under the names of diffusers' AutoencoderKL. The defaults are Stable
/// Diffusion 1.5's.
struct AutoencoderKlOptions {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::vector<std::int64_t> block_out_channels = {128, 256, 512, 512};  ///< a level each, the finest first
  std::int64_t layers_per_block = 2;
  std::int64_t latent_channels = 4;
  std::int64_t norm_num_groups = 32;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Pixels a side of one latent pixel.
  std::int64_t factor() const { return std::int64_t{1} << (block_out_channels.size() - 1); }
};

/// The tiny autoencoder (TAESD, https://github.com/madebyollin/taesd), under the names of diffusers' AutoencoderTiny.
struct AutoencoderTinyOptions {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::int64_t latent_channels = 4;
  std::int64_t channels = 64;                                   ///< every entry of *_block_out_channels
  std::vector<std::int64_t> num_encoder_blocks = {1, 3, 3, 3};  ///< a level each, the finest first
  std::vector<std::int64_t> num_decoder_blocks = {3, 3, 3, 1};  ///< a level each, the coarsest first

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Pixels a side of one latent pixel.
  std::int64_t factor() const { return std::int64_t{1} << (num_encoder_blocks.size() - 1); }
};

}  // namespace fmboost
