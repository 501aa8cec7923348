#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

namespace fmboost {

struct ContactSheetOptions {
  std::int64_t largest_side = 512;  ///< of an image, in pixels; larger ones are downsampled; 0: no limit
  std::int64_t gap = 8;             ///< pixels between images, mid-gray

  /// Throws UsageError for negative numbers.
  void check() const;
};

/// Arranges images (3, h, w) in [-1, 1] in rows of equal length, as one image (3, H, W) in [-1, 1] on the CPU. All
/// images of a row are resized to its largest one, smaller ones with nearest-neighbor interpolation so that their
/// pixels stay visible. Throws Error for rows of different lengths, or none.
torch::Tensor contact_sheet(const std::vector<std::vector<torch::Tensor>>& rows,
                            const ContactSheetOptions& options = {});

}  // namespace fmboost
