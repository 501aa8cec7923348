#pragma once

#include <cstdint>
#include <torch/types.h>

#include "fmboost/image/resize.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

enum class Resampling {
  bilinear,  ///< upsample_bilinear()
  bicubic    ///< resize_bicubic()
};

/// A resized image whose rows are computed when they are asked for, for images that do not fit into memory. Equal to
/// resizing at once up to rounding.
class ResizedRows {
 public:
  /// image: (1, C, H, W) float32.
  ResizedRows(torch::Tensor image, const Size& size, Resampling resampling);

  std::int64_t height() const { return size_.height; }
  /// (1, C, bottom - top, width)
  torch::Tensor rows(std::int64_t top, std::int64_t bottom) const;

 private:
  torch::Tensor image_;
  Size size_;
  Resampling resampling_;
  bool reduces_;           ///< the kernel is stretched to the distance of the result's pixels
  torch::Tensor first_;    ///< the first row of the image that a row of the result depends on, int64
  torch::Tensor weights_;  ///< (height, taps) of that row and the following ones, float32
};

/// How many rows of this width and number of channels make a strip of some 4 MiB.
std::int64_t rows_per_strip(const torch::Tensor& image);

/// pad_reflect() of the resized image, in a temporary file.
torch::Tensor padded_in_file(const ResizedRows& resized, const Margins& margins);

/// back_project() in place, strip by strip.
void back_project_in_strips(torch::Tensor& upscaled, const torch::Tensor& source, int rounds);

}  // namespace fmboost
