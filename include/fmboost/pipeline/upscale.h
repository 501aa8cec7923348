#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/image/image.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/upscale_chain.h"

namespace fmboost {

struct UpscaleOptions {
  double scale = 2.0;                     ///< of both sides, more than 1
  std::optional<Size> size;               ///< instead of scale: the exact size, of the source's shape
  std::optional<std::int64_t> long_side;  ///< instead of both: the longer side, the other one follows
  ColorFix color_fix = ColorFix::none;
  std::uint64_t seed = 42;  ///< of the flow's noise, where the coupling has any
  FlowOptions flow;
  TileOptions tiles;

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// The size that these options give an image. Throws UsageError when it is out of range, not larger than the source or
/// of another shape.
Size upscaled_size(const Size& source, const UpscaleOptions& options);

/// An existing image to a larger one: couplings, then back-projection, then the color fix. Alpha is upscaled
/// bicubically; metadata is kept.
class UpscalePipeline {
 public:
  /// Throws ModelError when the bundle has no coupling.
  UpscalePipeline(std::shared_ptr<ModelComponents> components, UpscaleOptions options);

  /// `seconds`, where given, gets the time of each stage. Throws MemoryError before any work when the image will not
  /// fit.
  Image run(const Image& source, const ProgressCallback& progress = {},
            std::map<std::string, double>* seconds = nullptr, const IntermediateObserver& observer = {});

  /// Throws MemoryError when an image of this size will not fit.
  void check_memory(const Size& size);

 private:
  std::shared_ptr<ModelComponents> components_;
  UpscaleOptions options_;
  UpscaleChain chain_;
};

}  // namespace fmboost
