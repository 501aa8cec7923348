#include "fmboost/pipeline/memory_plan.h"

#include <algorithm>

#include "fmboost/core/error.h"

#include "pipeline/tile_plan.h"

namespace fmboost {
namespace {

// The figures count tensors only; scratch memory of libraries and gaps between large allocations come on top.
constexpr double kMargin = 1.4;
// Tensors that are held for a whole image are large and few.
constexpr double kTiledMargin = 1.15;
// Other programs need memory too, and the figures are estimates.
constexpr double kUsableShare = 0.8;
// Upscaled pixels, blended sum, weights and result: float32, three channels each.
constexpr double kResidentBytesPerPixel = 4.0 * 3 * 4;
// Context, noise, start, the solver's states and velocities: float32.
constexpr double kFlowBytesPerLatentValue = 8.0 * 4;

// Of the coupling that needs the most.
double coupling_bytes_per_pixel(const ModelComponents& components, bool strips) {
  const auto element = static_cast<double>(torch::elementSize(components.placement().dtype));
  double most = 0;
  for (const auto& coupling : components.manifest().couplings) {
    const double activations = peak_activations_per_latent_pixel(coupling.network, strips);
    const auto channels = static_cast<double>(coupling.network.out_channels);
    most = std::max(most, activations * element + channels * kFlowBytesPerLatentValue);
  }
  const auto factor = static_cast<double>(components.manifest().autoencoder->factor);
  return most / (factor * factor);
}

}  // namespace

void TileOptions::check() const {
  if (!automatic && size != 0 && (size < 64 || size > kMaxSide)) {
    throw UsageError("`tile` must be from 64 to " + std::to_string(kMaxSide) + " pixels, auto or off, got " +
                     std::to_string(size));
  }
  if (overlap < 0 || (!automatic && size != 0 && overlap > size / 2)) {
    throw UsageError("`tile_overlap` must be at least 0 and at most half the tile, got " + std::to_string(overlap) +
                     " pixels");
  }
}

std::int64_t MemoryPlan::untiled_bytes() const {
  return resident_bytes + static_cast<std::int64_t>(bytes_per_pixel * pixels());
}

std::int64_t MemoryPlan::tiled_bytes(double tile_pixels) const {
  return resident_bytes + static_cast<std::int64_t>(tiled_bytes_per_pixel * pixels() + bytes_per_pixel * tile_pixels);
}

MemoryPlan plan_memory(const ModelComponents& components, const Size& size) {
  const auto known = components.autoencoder_memory();
  const AutoencoderMemory autoencoder = known.value_or(AutoencoderMemory{});
  MemoryPlan plan{.size = size};
  plan.bytes_per_pixel = kMargin * std::max(autoencoder.bytes_per_pixel, coupling_bytes_per_pixel(components, false));
  plan.tiled_bytes_per_pixel = kTiledMargin * std::max(autoencoder.strip_bytes_per_pixel.value_or(0),
                                                       coupling_bytes_per_pixel(components, true));
  plan.resident_bytes = static_cast<std::int64_t>(kResidentBytesPerPixel * plan.pixels());
  plan.available =
      static_cast<std::int64_t>(kUsableShare * static_cast<double>(available_memory(components.placement().device)));
  plan.in_strips = autoencoder.strip_bytes_per_pixel.has_value();
  plan.complete = known.has_value();
  return plan;
}

void check_memory(const MemoryPlan& plan, const TileOptions& tiles) {
  const std::int64_t side = tiles.automatic ? smallest_tile(plan) : tiles.size;
  const auto tile_pixels = static_cast<double>(side * side);
  std::int64_t needed = plan.untiled_bytes();
  if (side > 0 && tile_pixels < plan.pixels()) {
    needed = tiles.automatic ? std::min(needed, plan.tiled_bytes(tile_pixels)) : plan.tiled_bytes(tile_pixels);
  }
  if (needed > plan.available) {
    throw MemoryError("an image of " + to_string(plan.size) + " needs about " + format_bytes(needed) +
                      " of memory, and " + format_bytes(plan.available) + " can be used" +
                      (tiles.automatic ? "; use a smaller size" : "; use `tile` auto or a smaller size"));
  }
}

}  // namespace fmboost
