#pragma once

#include <cstdint>

#include "fmboost/core/memory_probe.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// Tiling of large images. Native networks produce the same image with any tiling: they work strip by strip. The tiles
/// of TorchScript programs overlap and are blended.
struct TileOptions {
  bool automatic = true;      ///< no tiling if the image fits into memory, otherwise the largest tiles that fit
  std::int64_t size = 0;      ///< side of a tile in pixels if not automatic; 0: no tiling
  std::int64_t overlap = 64;  ///< minimum overlap of neighboring tiles in pixels

  /// Throws UsageError naming the option that is out of range.
  void check() const;
};

/// Memory that processing one image needs in addition to the weights, and the memory that there is.
struct MemoryPlan {
  Size size;                         ///< of the image
  double bytes_per_pixel = 0;        ///< of the largest network call, with a margin
  double tiled_bytes_per_pixel = 0;  ///< held for the whole image while networks work tile by tile
  std::int64_t resident_bytes = 0;   ///< the image itself, in every form that is held at the same time
  std::int64_t available = 0;        ///< usable part of the device's free memory
  bool in_strips = false;            ///< the autoencoder works strip by strip
  /// False: the autoencoder is a TorchScript program that has not been loaded, and its memory is missing above.
  bool complete = true;

  double pixels() const { return static_cast<double>(size.width) * static_cast<double>(size.height); }
  /// Bytes needed without tiling.
  std::int64_t untiled_bytes() const;
  /// Bytes needed with tiles of at most `tile_pixels` pixels.
  std::int64_t tiled_bytes(double tile_pixels) const;
};

/// Plans from the layers of the bundle's networks; loads nothing.
MemoryPlan plan_memory(const ModelComponents& components, const Size& size);

/// Throws MemoryError with the figures if the image does not fit, even with the smallest tiles that the options allow.
void check_memory(const MemoryPlan& plan, const TileOptions& tiles);

}  // namespace fmboost
