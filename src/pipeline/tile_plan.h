#pragma once

#include <functional>
#include <optional>
#include <torch/types.h>

#include "fmboost/model/components.h"
#include "fmboost/pipeline/memory_plan.h"

#include "pipeline/tiles.h"

namespace fmboost {

/// How an image is divided.
struct TilePlan {
  std::int64_t side = 0;     ///< of a tile, in pixels
  std::int64_t overlap = 0;  ///< minimum overlap of neighboring tiles, in pixels
  StripLimits strips;        ///< for networks that work strip by strip

  TilePlan halved() const;
};

/// The smallest tile side that is chosen by memory. Smaller blended tiles would lose too much of their surroundings;
/// strips lose nothing.
inline std::int64_t smallest_tile(const MemoryPlan& plan) {
  return plan.in_strips ? 64 : 256;
}

/// The largest tiles that fit into memory, with sides of at most `most` pixels; networks that work strip by strip may
/// keep results in the memory that the strips leave.
TilePlan largest_tiles(const MemoryPlan& plan, std::int64_t most, std::int64_t overlap);

/// Applies the options to an image: none means no tiling.
std::optional<TilePlan> plan_tiles(const MemoryPlan& plan, const TileOptions& options);

/// Memory for the stage that is about to run. Loads the autoencoder first: its weights are then no longer part of the
/// available memory, and a TorchScript program has been measured.
MemoryPlan plan_stage_memory(ModelComponents& components, const Size& size);

/// Logs that the autoencoder blends tiles, because the result then differs from that of the whole image.
void log_blended_tiling(const MemoryPlan& plan, const std::optional<TilePlan>& tiles);

/// An autoencoder for images (1, C, H, W) of any size. Without tiles it processes the whole image. With tiles, a native
/// autoencoder works strip by strip with the same result; a TorchScript program sees one tile at a time, and the
/// overlapping tiles are blended.
class TiledAutoencoder {
 public:
  /// `factor`: side of a latent pixel in pixels.
  TiledAutoencoder(Autoencoder& autoencoder, std::int64_t factor, std::optional<TilePlan> tiles)
      : autoencoder_(autoencoder), factor_(factor), tiles_(std::move(tiles)) {}

  torch::Tensor encode(const torch::Tensor& pixels) const;
  torch::Tensor decode(const torch::Tensor& latent) const;

 private:
  using Work = std::function<torch::Tensor(const torch::Tensor&)>;
  /// `pixels_in` and `pixels_out`: side of a latent pixel in x and in the result.
  torch::Tensor blend_tiles(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                            const Work& work) const;

  Autoencoder& autoencoder_;
  std::int64_t factor_;
  std::optional<TilePlan> tiles_;
};

}  // namespace fmboost
