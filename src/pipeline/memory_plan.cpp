#include "fmboost/pipeline/memory_plan.h"

#include <algorithm>

namespace fmboost {
namespace {

// The probe sees tensors only; libraries' scratch memory comes on top, as do larger tensors' allocation gaps.
constexpr double kMargin = 1.4;
// What is kept of a whole picture is large and few.
constexpr double kMarginInPieces = 1.15;
// Other programs need memory too, and the estimate is one.
constexpr double kUsableShare = 0.8;
// Enlarged, blended sum, weights and result: float32, three channels each.
constexpr double kKeptBytesPerPixel = 4.0 * 3 * 4;
// Context, noise, start, the solver's states and velocities: float32.
constexpr double kLatentsOfTheFlow = 8.0 * 4;

// Of the hungriest coupling.
double coupling_bytes_per_pixel(const ModelParts& parts, bool strips) {
  double most = 0;
  for (const auto& coupling : parts.manifest().couplings) {
    const double numbers = cfm_numbers_per_site(coupling.network, strips);
    const auto latents = static_cast<double>(coupling.network.out_channels);
    most = std::max(
        most, numbers * static_cast<double>(torch::elementSize(parts.placement().dtype)) + latents * kLatentsOfTheFlow);
  }
  const auto factor = static_cast<double>(parts.manifest().autoencoder->factor);
  return most / (factor * factor);
}

}  // namespace

std::int64_t MemoryPlan::at_once() const {
  return kept + static_cast<std::int64_t>(bytes_per_pixel * pixels);
}

std::int64_t MemoryPlan::in_pieces(double piece) const {
  return kept + static_cast<std::int64_t>(bytes_per_pixel_in_pieces * pixels + bytes_per_pixel * piece);
}

MemoryPlan plan_memory(ModelParts& parts, const Size& size) {
  const Autoencoder& autoencoder = parts.autoencoder(parts.placement().dtype);
  const auto* strips = dynamic_cast<const StripAutoencoder*>(&autoencoder);
  MemoryPlan plan;
  plan.pixels = static_cast<double>(size.width * size.height);
  plan.bytes_per_pixel = kMargin * std::max(autoencoder.bytes_per_pixel(), coupling_bytes_per_pixel(parts, false));
  plan.bytes_per_pixel_in_pieces =
      kMarginInPieces *
      std::max(strips != nullptr ? strips->bytes_per_pixel_in_strips() : 0.0, coupling_bytes_per_pixel(parts, true));
  plan.in_strips = strips != nullptr;
  plan.available =
      static_cast<std::int64_t>(kUsableShare * static_cast<double>(available_memory(parts.placement().device)));
  plan.kept = static_cast<std::int64_t>(kKeptBytesPerPixel * plan.pixels);
  return plan;
}

}  // namespace fmboost
