#include "fmboost/pipeline/memory_plan.h"

#include <algorithm>

namespace fmboost {
namespace {

// The probe sees tensors only; libraries' scratch memory comes on top, as do larger tensors' allocation gaps.
constexpr double kMargin = 1.4;
// Other programs need memory too, and the estimate is one.
constexpr double kUsableShare = 0.8;
// Enlarged, blended sum, weights and result: float32, three channels each.
constexpr double kKeptBytesPerPixel = 4.0 * 3 * 4;

}  // namespace

std::int64_t MemoryPlan::pixels_that_fit() const {
  return static_cast<std::int64_t>(static_cast<double>(std::max<std::int64_t>(available - kept, 0)) /
                                   std::max(bytes_per_pixel, 1.0));
}

MemoryPlan plan_memory(ModelParts& parts, const Size& size) {
  MemoryPlan plan;
  plan.bytes_per_pixel = parts.autoencoder(parts.placement().dtype).bytes_per_pixel() * kMargin;
  plan.available =
      static_cast<std::int64_t>(kUsableShare * static_cast<double>(available_memory(parts.placement().device)));
  plan.kept = static_cast<std::int64_t>(kKeptBytesPerPixel * static_cast<double>(size.width * size.height));
  return plan;
}

}  // namespace fmboost
