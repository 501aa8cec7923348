#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// A rectangle of an image, in pixels or latent pixels.
struct Tile {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// Tiles of at most side x side that cover height x width, row by row; neighbors share at least `overlap` (at most
/// side - multiple). All edges are multiples of `multiple`, as height, width and side must be. A single tile if the
/// whole fits into one.
std::vector<Tile> tile_grid(std::int64_t height, std::int64_t width, std::int64_t side, std::int64_t overlap,
                            std::int64_t multiple);

/// Blends overlapping tiles: each is weighted by linear ramps over the overlap on its inner sides, and the sum is
/// divided by the weights. The values of a single tile come out unchanged.
class TileBlender {
 public:
  /// All in pixels of the result; `ramp` is the length of the ramps.
  TileBlender(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t ramp);

  /// values: (1, channels, tile.height, tile.width), on any device.
  void add(const Tile& tile, const torch::Tensor& values);

  /// (1, channels, height, width) float32 on the CPU.
  torch::Tensor result();

 private:
  torch::Tensor sum_;
  torch::Tensor weight_;
  std::int64_t ramp_;
};

}  // namespace fmboost
