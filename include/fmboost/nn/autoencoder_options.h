#pragma once

#include <cstdint>
#include <vector>

namespace fmboost {

/// Options of Stable Diffusion's autoencoder, named as in diffusers' AutoencoderKL. The defaults are those of Stable
/// Diffusion 1.5.
struct AutoencoderKlOptions {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::vector<std::int64_t> block_out_channels = {128, 256, 512, 512};  ///< one per level, the finest first
  std::int64_t layers_per_block = 2;
  std::int64_t latent_channels = 4;
  std::int64_t norm_num_groups = 32;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Pixels per side of one latent pixel.
  std::int64_t factor() const { return std::int64_t{1} << (block_out_channels.size() - 1); }
};

/// Options of the tiny autoencoder (TAESD, https://github.com/madebyollin/taesd), named as in diffusers'
/// AutoencoderTiny.
struct AutoencoderTinyOptions {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::int64_t latent_channels = 4;
  std::int64_t channels = 64;                                   ///< all entries of *_block_out_channels
  std::vector<std::int64_t> num_encoder_blocks = {1, 3, 3, 3};  ///< one per level, the finest first
  std::vector<std::int64_t> num_decoder_blocks = {3, 3, 3, 1};  ///< one per level, the coarsest first

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Pixels per side of one latent pixel.
  std::int64_t factor() const { return std::int64_t{1} << (num_encoder_blocks.size() - 1); }
};

}  // namespace fmboost
