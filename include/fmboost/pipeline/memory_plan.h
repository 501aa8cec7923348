#pragma once

#include <cstdint>

#include "fmboost/core/memory_probe.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// What making one image takes beside the weights, and what there is.
struct MemoryPlan {
  double pixels = 0;                     ///< of the image
  double bytes_per_pixel = 0;            ///< of the largest call of a network, with a margin
  double tiled_bytes_per_pixel = 0;  ///< held for the whole image where networks work on pieces of it
  bool in_strips = false;                ///< the autoencoder works strip by strip
  std::int64_t available = 0;            ///< what may be used of the device's memory
  std::int64_t resident_bytes = 0;                 ///< the image itself, in every form that is held at once

  /// Bytes that working on everything at once takes.
  std::int64_t untiled_bytes() const;
  /// The same where at most `piece` pixels are worked on at a time.
  std::int64_t tiled_bytes(double piece) const;
};

/// Loads the autoencoder where it is not yet, to weigh it.
MemoryPlan plan_memory(ModelComponents& components, const Size& size);

}  // namespace fmboost
