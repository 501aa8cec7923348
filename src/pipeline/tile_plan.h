#pragma once

#include <functional>
#include <optional>
#include <torch/types.h>

#include "fmboost/model/components.h"
#include "fmboost/pipeline/memory_plan.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tiles.h"

namespace fmboost {

/// How much of a picture is worked on at a time.
struct Pieces {
  std::int64_t side = 0;     ///< of windows, in pixels
  std::int64_t overlap = 0;  ///< pixels that windows share at least
  StripLimits strips;        ///< of networks that work strip by strip

  Pieces halved() const;
};

/// The least side of pieces that are chosen by memory. Smaller windows lose too much of what is around them; strips
/// lose nothing.
inline std::int64_t smallest_piece(const MemoryPlan& plan) {
  return plan.in_strips ? 64 : 256;
}

/// Pieces as large as memory allows, of at most `most` pixels a side; networks that work strip by strip may keep what
/// memory is left beside the strips.
Pieces largest_pieces(const MemoryPlan& plan, std::int64_t most, std::int64_t overlap);

/// What a user wants: none (everything at once), pieces of a size, or either by the memory there is.
std::optional<Pieces> plan_pieces(const MemoryPlan& plan, const TileOptions& tiles, const Size& size);

/// Says so where the autoencoder will work in windows, since the result is not that of the whole picture then.
void tell_of_windows(const MemoryPlan& plan, const std::optional<Pieces>& pieces);

/// An autoencoder for pictures (1, C, H, W) of any size. Without pieces it works on all of one at once. With them a
/// native one works strip by strip, to the same result; a TorchScript program in overlapping windows that are blended,
/// which it cannot look out of.
class PiecewiseAutoencoder {
 public:
  /// `factor`: pixels a side of a latent site.
  PiecewiseAutoencoder(Autoencoder& autoencoder, std::int64_t factor, std::optional<Pieces> pieces)
      : autoencoder_(autoencoder), factor_(factor), pieces_(std::move(pieces)) {}

  torch::Tensor encode(const torch::Tensor& pixels) const;
  torch::Tensor decode(const torch::Tensor& latent) const;

 private:
  using Work = std::function<torch::Tensor(const torch::Tensor&)>;
  /// `pixels_in` and `pixels_out`: sides of a latent site in x and in the result.
  torch::Tensor in_windows(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                           const Work& work) const;

  Autoencoder& autoencoder_;
  std::int64_t factor_;
  std::optional<Pieces> pieces_;
};

}  // namespace fmboost
