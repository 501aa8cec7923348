#include "fmboost/pipeline/memory_plan.h"

#include <algorithm>

namespace fmboost {
namespace {

// The probe sees tensors only; libraries' scratch memory comes on top, as do larger tensors' allocation gaps.
constexpr double kMargin = 1.4;
// What is kept of a whole image is large and few.
constexpr double kTiledMargin = 1.15;
// Other programs need memory too, and the estimate is one.
constexpr double kUsableShare = 0.8;
// Upscaled, blended sum, weights and result: float32, three channels each.
constexpr double kKeptBytesPerPixel = 4.0 * 3 * 4;
// Context, noise, start, the solver's states and velocities: float32.
constexpr double kLatentsOfTheFlow = 8.0 * 4;

// Of the hungriest coupling.
double coupling_bytes_per_pixel(const ModelComponents& components, bool strips) {
  double most = 0;
  for (const auto& coupling : components.manifest().couplings) {
    const double numbers = peak_activations_per_latent_pixel(coupling.network, strips);
    const auto latents = static_cast<double>(coupling.network.out_channels);
    most = std::max(
        most, numbers * static_cast<double>(torch::elementSize(components.placement().dtype)) + latents * kLatentsOfTheFlow);
  }
  const auto factor = static_cast<double>(components.manifest().autoencoder->factor);
  return most / (factor * factor);
}

}  // namespace

std::int64_t MemoryPlan::untiled_bytes() const {
  return resident_bytes + static_cast<std::int64_t>(bytes_per_pixel * pixels);
}

std::int64_t MemoryPlan::tiled_bytes(double piece) const {
  return resident_bytes + static_cast<std::int64_t>(tiled_bytes_per_pixel * pixels + bytes_per_pixel * piece);
}

MemoryPlan plan_memory(ModelComponents& components, const Size& size) {
  const Autoencoder& autoencoder = components.autoencoder(components.placement().dtype);
  const auto* strips = dynamic_cast<const StripAutoencoder*>(&autoencoder);
  MemoryPlan plan;
  plan.pixels = static_cast<double>(size.width * size.height);
  plan.bytes_per_pixel = kMargin * std::max(autoencoder.bytes_per_pixel(), coupling_bytes_per_pixel(components, false));
  plan.tiled_bytes_per_pixel =
      kTiledMargin *
      std::max(strips != nullptr ? strips->bytes_per_pixel_in_strips() : 0.0, coupling_bytes_per_pixel(components, true));
  plan.in_strips = strips != nullptr;
  plan.available =
      static_cast<std::int64_t>(kUsableShare * static_cast<double>(available_memory(components.placement().device)));
  plan.resident_bytes = static_cast<std::int64_t>(kKeptBytesPerPixel * plan.pixels);
  return plan;
}

}  // namespace fmboost
