#pragma once

#include <cstdint>

#include "fmboost/core/memory_probe.h"
#include "fmboost/pipeline/model_parts.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// What making one picture takes beside the weights.
struct MemoryPlan {
  double bytes_per_pixel = 0;  ///< of the autoencoder's largest call, as weighed by its probe, with a margin
  std::int64_t available = 0;  ///< what may be used of the device's memory
  std::int64_t kept = 0;       ///< the picture itself, in every form that is held at once

  /// Pixels that one call of the autoencoder can work on.
  std::int64_t pixels_that_fit() const;
};

/// Loads the autoencoder where it is not yet, to weigh it.
MemoryPlan plan_memory(ModelParts& parts, const Size& size);

}  // namespace fmboost
