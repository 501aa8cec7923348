#pragma once

#include <functional>
#include <optional>
#include <torch/types.h>

#include "fmboost/model/components.h"
#include "fmboost/pipeline/memory_plan.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tiles.h"

namespace fmboost {

/// How much of an image is worked on at a time.
struct TilePlan {
  std::int64_t side = 0;     ///< of windows, in pixels
  std::int64_t overlap = 0;  ///< pixels that windows share at least
  StripLimits strips;        ///< of networks that work strip by strip

  TilePlan halved() const;
};

/// The least side of pieces that are chosen by memory. Smaller windows lose too much of what is around them; strips
/// lose nothing.
inline std::int64_t smallest_tile(const MemoryPlan& plan) {
  return plan.in_strips ? 64 : 256;
}

/// TilePlan as large as memory allows, of at most `most` pixels a side; networks that work strip by strip may keep what
/// memory is left beside the strips.
TilePlan largest_tiles(const MemoryPlan& plan, std::int64_t most, std::int64_t overlap);

/// What a user wants: none (everything at once), pieces of a size, or either by the memory there is.
std::optional<TilePlan> plan_tiles(const MemoryPlan& plan, const TileOptions& tiles, const Size& size);

/// Says so where the autoencoder will work in windows, since the result is not that of the whole image then.
void log_blended_tiling(const MemoryPlan& plan, const std::optional<TilePlan>& pieces);

/// An autoencoder for images (1, C, H, W) of any size. Without pieces it works on all of one at once. With them a
/// native one works strip by strip, to the same result; a TorchScript program in overlapping windows that are blended,
/// which it cannot look out of.
class TiledAutoencoder {
 public:
  /// `factor`: pixels a side of a latent pixel.
  TiledAutoencoder(Autoencoder& autoencoder, std::int64_t factor, std::optional<TilePlan> pieces)
      : autoencoder_(autoencoder), factor_(factor), tiles_(std::move(pieces)) {}

  torch::Tensor encode(const torch::Tensor& pixels) const;
  torch::Tensor decode(const torch::Tensor& latent) const;

 private:
  using Work = std::function<torch::Tensor(const torch::Tensor&)>;
  /// `pixels_in` and `pixels_out`: sides of a latent pixel in x and in the result.
  torch::Tensor in_windows(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                           const Work& work) const;

  Autoencoder& autoencoder_;
  std::int64_t factor_;
  std::optional<TilePlan> tiles_;
};

}  // namespace fmboost
