#include "pipeline/tile_plan.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

using torch::indexing::Slice;

// Share of the free memory for the strips themselves; the rest is for results that are kept.
constexpr double kShareOfStrips = 0.25;

torch::Tensor cut(const torch::Tensor& x, const Tile& tile) {
  const Slice rows(tile.top, tile.top + tile.height);
  const Slice columns(tile.left, tile.left + tile.width);
  return x.index({Slice(), Slice(), rows, columns}).contiguous();
}

Tile scaled(const Tile& tile, std::int64_t scale) {
  return {tile.top * scale, tile.left * scale, tile.height * scale, tile.width * scale};
}

TilePlan tiles_of_side(const MemoryPlan& plan, std::int64_t side, std::int64_t overlap) {
  const double tile_pixels = static_cast<double>(side) * static_cast<double>(side);
  return {.side = side,
          .overlap = std::min(overlap, side / 2),
          .strips = {.strip_bytes = static_cast<std::int64_t>(plan.bytes_per_pixel * tile_pixels),
                     .kept_bytes = std::max<std::int64_t>(plan.available - plan.tiled_bytes(tile_pixels), 0)}};
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

std::optional<TilePlan> plan_tiles(const MemoryPlan& plan, const TileOptions& options) {
  const std::int64_t longer_side = std::max(plan.size.width, plan.size.height);
  if (options.automatic) {
    const bool fits = plan.untiled_bytes() <= plan.available;
    return fits ? std::nullopt : std::optional(largest_tiles(plan, longer_side, options.overlap));
  }
  const bool untiled = options.size == 0 || options.size >= longer_side;
  return untiled ? std::nullopt : std::optional(tiles_of_side(plan, options.size, options.overlap));
}

MemoryPlan plan_stage_memory(ModelComponents& components, const Size& size) {
  components.autoencoder(components.placement().dtype);
  return plan_memory(components, size);
}

void log_blended_tiling(const MemoryPlan& plan, const std::optional<TilePlan>& tiles) {
  if (tiles && !plan.in_strips) {
    log_info("the autoencoder is a TorchScript program: it works in tiles of " + std::to_string(tiles->side) +
             " pixels, which are blended");
  }
}

torch::Tensor TiledAutoencoder::blend_tiles(const torch::Tensor& x, std::int64_t pixels_in, std::int64_t pixels_out,
                                            const Work& work) const {
  const std::int64_t height = x.size(2) / pixels_in;
  const std::int64_t width = x.size(3) / pixels_in;
  const std::int64_t side = std::max<std::int64_t>(tiles_->side / factor_, 1);
  const std::int64_t overlap = std::min(tiles_->overlap / factor_, side - 1);
  std::optional<TileBlender> blender;
  for (const Tile& tile : tile_grid(height, width, side, overlap, /*multiple=*/1)) {
    check_interrupt();
    const torch::Tensor result = work(cut(x, scaled(tile, pixels_in)));
    if (!blender) {
      blender.emplace(result.size(1), height * pixels_out, width * pixels_out, overlap * pixels_out);
    }
    blender->add(scaled(tile, pixels_out), result);
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
  return blend_tiles(pixels, factor_, 1, [&](const torch::Tensor& tile) { return autoencoder_.encode(tile); });
}

torch::Tensor TiledAutoencoder::decode(const torch::Tensor& latent) const {
  if (!tiles_) {
    return autoencoder_.decode(latent);
  }
  if (auto* exact = dynamic_cast<StripAutoencoder*>(&autoencoder_)) {
    return exact->decode_in_strips(latent, tiles_->strips);
  }
  return blend_tiles(latent, 1, factor_, [&](const torch::Tensor& tile) { return autoencoder_.decode(tile); });
}

}  // namespace fmboost
