#pragma once

#include <cstdint>
#include <vector>

namespace fmboost {

/// Options of the networks of the default bundle, which models/workshop/training trains.

/// A convolutional autoencoder without norms, with latents of a quarter of the size of the image (networks.py).
struct ConvAutoencoderOptions {
  std::int64_t latent_channels = 16;
  std::int64_t encoder_channels = 64;
  std::int64_t encoder_blocks = 4;
  std::int64_t decoder_channels = 64;
  std::int64_t decoder_blocks = 5;
  std::int64_t fine_channels = 32;  ///< of the decoder, at half the size of the image
  std::int64_t fine_blocks = 2;

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Pixels per side of one latent pixel.
  static constexpr std::int64_t factor() { return 4; }
};

/// A transformer over words (text_networks.py).
struct WordTransformerOptions {
  std::int64_t words = 0;  ///< size of the vocabulary
  std::int64_t length = 48;
  std::int64_t width = 128;
  std::int64_t layers = 2;
  std::int64_t heads = 4;

  /// Throws ModelError naming the field that is out of range.
  void check() const;
};

/// A UNet on patches of 2x2 latent pixels, whose up path adds the skips, plus a small network on the latent pixels
/// themselves (text_networks.py). Lists have one entry per level, the finest first.
struct PatchUnetOptions {
  std::int64_t latent_channels = 16;
  std::vector<std::int64_t> widths = {64, 128, 192};
  std::vector<std::int64_t> down = {1, 1, 1};  ///< blocks
  std::vector<std::int64_t> up = {1, 2, 2};    ///< blocks
  std::int64_t text_width = 128;
  std::int64_t heads = 4;
  std::int64_t fine_channels = 64;  ///< of the network on latent pixels
  std::int64_t fine_blocks = 0;     ///< 0: no such network

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Height and width of the latents must be multiples of this.
  std::int64_t size_multiple() const { return std::int64_t{2} << (widths.size() - 1); }
};

}  // namespace fmboost
