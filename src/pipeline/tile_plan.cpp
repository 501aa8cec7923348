#include "pipeline/tile_plan.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

using torch::indexing::Slice;

// Of the memory for networks that work strip by strip, what goes to the strips; the rest is for what they keep.
constexpr double kShareOfStrips = 0.25;

torch::Tensor cut(const torch::Tensor& x, const Window& w) {
  return x.index({Slice(), Slice(), Slice(w.top, w.top + w.height), Slice(w.left, w.left + w.width)}).contiguous();
}

Window scaled(const Window& window, std::int64_t scale) {
  return {window.top * scale, window.left * scale, window.height * scale, window.width * scale};
}

TilePlan tiles_of_side(const MemoryPlan& plan, std::int64_t side, std::int64_t overlap) {
  const double piece = static_cast<double>(side) * static_cast<double>(side);
  return {.side = side,
          .overlap = std::min(overlap, side / 2),
          .strips = {.strip_bytes = static_cast<std::int64_t>(plan.bytes_per_pixel * piece),
                     .kept_bytes = std::max<std::int64_t>(plan.available - plan.tiled_bytes(piece), 0)}};
}

}  // namespace

TilePlan TilePlan::halved() const {
  return {.side = side / 2,
          .overlap = overlap,
          .strips = {.strip_bytes = strips.strip_bytes / 4, .kept_bytes = strips.kept_bytes / 2}};
}

TilePlan largest_tiles(const MemoryPlan& plan, std::int64_t most, std::int64_t overlap) {
  const auto left = static_cast<double>(std::max<std::int64_t>(plan.available - plan.tiled_bytes(0), 0));
  const double pixels = left * (plan.in_strips ? kShareOfStrips : 1.0) / std::max(plan.bytes_per_pixel, 1.0);
  const auto side = std::max(static_cast<std::int64_t>(std::sqrt(pixels)), smallest_tile(plan));
  return tiles_of_side(plan, std::min(side, most), overlap);
}

std::optional<TilePlan> plan_tiles(const MemoryPlan& plan, const TileOptions& tiles, const Size& size) {
  const std::int64_t whole = std::max(size.width, size.height);
  if (tiles.automatic) {
    return plan.untiled_bytes() <= plan.available ? std::nullopt : std::optional(largest_tiles(plan, whole, tiles.overlap));
  }
  const bool untiled_bytes = tiles.size == 0 || tiles.size >= whole;
  return untiled_bytes ? std::nullopt : std::optional(tiles_of_side(plan, tiles.size, tiles.overlap));
}

void log_blended_tiling(const MemoryPlan& plan, const std::optional<TilePlan>& pieces) {
  if (pieces && !plan.in_strips) {
    log_info("the autoencoder is a TorchScript program: it works in windows of " + std::to_string(pieces->side) +
             " pixels, which are blended");
  }
}

torch::Tensor TiledAutoencoder::in_windows(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                                               const Work& work) const {
  const std::int64_t height = x.size(2) / pixels_in;
  const std::int64_t width = x.size(3) / pixels_in;
  const std::int64_t side = std::max<std::int64_t>(tiles_->side / factor_, 1);
  const std::int64_t shared = std::min(tiles_->overlap / factor_, side - 1);
  const auto windows = plan_windows(height, width, side, shared, /*multiple=*/1);
  std::optional<WindowBlender> blender;
  for (const Window& window : windows) {
    check_interrupt();
    const torch::Tensor result = work(cut(x, scaled(window, pixels_in)));
    if (!blender) {
      blender.emplace(result.size(1), height * pixels_out, width * pixels_out, shared * pixels_out);
    }
    blender->add(scaled(window, pixels_out), result);
  }
  return blender->result();
}

torch::Tensor TiledAutoencoder::encode(const torch::Tensor& pixels) const {
  if (!tiles_) {
    return autoencoder_.encode(pixels);
  }
  if (auto* exact = dynamic_cast<StripAutoencoder*>(&autoencoder_)) {
    return exact->encode_in_strips(pixels, tiles_->strips);
  }
  return in_windows(pixels, factor_, 1, [&](const torch::Tensor& window) { return autoencoder_.encode(window); });
}

torch::Tensor TiledAutoencoder::decode(const torch::Tensor& latent) const {
  if (!tiles_) {
    return autoencoder_.decode(latent);
  }
  if (auto* exact = dynamic_cast<StripAutoencoder*>(&autoencoder_)) {
    return exact->decode_in_strips(latent, tiles_->strips);
  }
  return in_windows(latent, 1, factor_, [&](const torch::Tensor& window) { return autoencoder_.decode(window); });
}

}  // namespace fmboost
