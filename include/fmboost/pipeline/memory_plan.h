#pragma once

#include <cstdint>

#include "fmboost/core/memory_probe.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// What making one picture takes beside the weights, and what there is.
struct MemoryPlan {
  double pixels = 0;                     ///< of the picture
  double bytes_per_pixel = 0;            ///< of the largest call of a network, with a margin
  double bytes_per_pixel_in_pieces = 0;  ///< held for the whole picture where networks work on pieces of it
  bool in_strips = false;                ///< the autoencoder works strip by strip
  std::int64_t available = 0;            ///< what may be used of the device's memory
  std::int64_t kept = 0;                 ///< the picture itself, in every form that is held at once

  /// Bytes that working on everything at once takes.
  std::int64_t at_once() const;
  /// The same where at most `piece` pixels are worked on at a time.
  std::int64_t in_pieces(double piece) const;
};

/// Loads the autoencoder where it is not yet, to weigh it.
MemoryPlan plan_memory(ModelParts& parts, const Size& size);

}  // namespace fmboost
