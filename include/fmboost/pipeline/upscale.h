#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fmboost/image/image.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/upscale_chain.h"

namespace fmboost {

struct UpscaleOptions {
  double scale = 2.0;                     ///< factor of both sides, more than 1
  std::optional<Size> size;               ///< overrides scale: the exact size, of the source's shape
  std::optional<std::int64_t> long_side;  ///< overrides scale: the longer side; the shorter side follows
  ColorFix color_fix = ColorFix::none;
  std::uint64_t seed = 42;  ///< of the flow's noise, if the coupling has any
  FlowOptions flow;
  TileOptions tiles;

  /// Throws UsageError naming the option that is out of range.
  void check() const;
};

/// The size that these options give an image. Throws UsageError if it is out of range, not larger than the source or
/// of another shape.
Size upscaled_size(const Size& source, const UpscaleOptions& options);

/// An upscaled image and how long its stages took.
struct UpscaledImage {
  Image image;
  StageSeconds seconds;  ///< by stage, see Hooks::timing
};

/// Upscales existing images: couplings with back-projection, then the color fix. Gray images stay gray. Alpha is
/// upscaled bicubically, and more sharply if it is only 0 and 1; the colors of fully transparent pixels are replaced by
/// those around them. Metadata is kept; the density grows with the sides, so that the printed size stays the same.
class UpscalePipeline {
 public:
  /// Throws ModelError if the bundle has no coupling for existing images, UsageError for options out of range.
  UpscalePipeline(std::shared_ptr<ModelComponents> components, UpscaleOptions options);

  /// Decides size, couplings and memory without loading anything. Throws UsageError.
  UpscalePlan plan(const Size& source) const;

  /// Throws MemoryError before any work if the image will not fit into memory.
  UpscaledImage run(const Image& source, const Hooks& hooks = {});

 private:
  std::shared_ptr<ModelComponents> components_;
  UpscaleOptions options_;
};

}  // namespace fmboost
