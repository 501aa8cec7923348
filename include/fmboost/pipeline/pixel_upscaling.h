#pragma once

#include <cstdint>
#include <optional>
#include <torch/types.h>
#include <vector>

#include "fmboost/pipeline/hooks.h"
#include "fmboost/pipeline/memory_plan.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

struct FlowOptions;

/// Upscaling by the bundle's pixel upscaler with everything decided: the network runs once or several times, and the
/// result is resized to the target.
struct PixelUpscaling {
  PixelUpscalerEntry entry;
  std::int64_t passes = 1;
  int back_projection = 0;  ///< rounds
  Size network_size;        ///< of the result of the last pass
};

/// The pixel upscaler of a bundle if it applies to `source`. The network runs until its result has at least `ratio`
/// times the side of the input; a network of factor 1 runs once. A fidelity F sets round(2 F) rounds of
/// back-projection. Options of the flow have no effect; one warning names those that are set.
std::optional<PixelUpscaling> plan_pixel_upscaling(const Manifest& manifest, const Size& input, double ratio,
                                                   const FlowOptions& options, ImageSource source);

/// Memory of the last pass, which needs the most. Loads nothing.
MemoryPlan plan_pixel_memory(const ModelComponents& components, const PixelUpscaling& upscaling);

/// pixels (1, 3, H, W) in [-1, 1] -> (1, 3, network_size) float32 on the CPU, about [-1, 1], not clamped.
torch::Tensor run_pixel_upscaler(ModelComponents& components, const PixelUpscaling& upscaling, torch::Tensor pixels,
                                 const TileOptions& tiles, const Hooks& hooks);

}  // namespace fmboost
