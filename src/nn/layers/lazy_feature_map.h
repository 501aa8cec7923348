#pragma once

#include <functional>
#include <torch/types.h>
#include <vector>

#include "fmboost/nn/strips.h"

namespace fmboost {

/// Rows top to bottom - 1 of an image.
struct Rows {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
};

/// How a layer changes sizes, and how many rows above and below it reads. One row of the result corresponds to `down /
/// up` rows of the input.
struct Footprint {
  std::int64_t channels = 0;  ///< of the result
  std::int64_t halo = 0;      ///< rows of the input
  std::int64_t up = 1;
  std::int64_t down = 1;
};

/// One or more layers as a function of images (B, C, H, W), padded with zeros.
using Layer = std::function<torch::Tensor(const torch::Tensor&)>;

/// A feature map (B, C, H, W) whose rows are computed on every request unless they are kept in memory.
class LazyFeatureMap {
 public:
  explicit LazyFeatureMap(torch::Tensor values);

  at::IntArrayRef sizes() const { return sizes_; }
  std::int64_t height() const { return sizes_[2]; }
  /// The bytes that it takes, or would take if it were kept.
  std::int64_t bytes() const { return sizes_[0] * sizes_[1] * sizes_[2] * sizes_[3] * item_bytes_; }
  /// The bytes of the kept feature maps that its rows are computed from.
  std::int64_t held_bytes() const { return held_bytes_; }
  bool is_kept() const { return values_.defined(); }
  /// The kept values.
  const torch::Tensor& values() const { return values_; }

  /// (B, C, bottom - top, W), read-only.
  torch::Tensor rows(Rows range) const;
  /// Calls `use` with all rows, in strips from the top to the bottom. Throws Error on an interrupt.
  void for_each_strip(const StripLimits& limits, const std::function<void(Rows, const torch::Tensor&)>& use) const;

  /// The result of `layer`. The layer gets halo rows, and the rows of its result that depend on the padding beyond the
  /// halo are cut off. At the edges of the image the zero padding is that of the layer.
  LazyFeatureMap apply(const Footprint& footprint, Layer layer) const;
  /// The same feature map with all rows computed now and kept.
  LazyFeatureMap keep(const StripLimits& limits) const;

  /// A feature map of the same size with `channels` channels, whose rows `compute` derives from this one and `others`.
  using Compute = std::function<torch::Tensor(Rows)>;
  LazyFeatureMap derived(std::int64_t channels, const std::vector<LazyFeatureMap>& others, Compute compute) const;

 private:
  LazyFeatureMap() = default;

  std::vector<std::int64_t> sizes_;
  std::int64_t item_bytes_ = 0;
  std::int64_t held_bytes_ = 0;
  std::int64_t row_bytes_ = 0;  ///< of one row of the widest layer
  torch::Tensor values_;
  Compute compute_;
};

/// Concatenates along the channels.
LazyFeatureMap concatenate(const LazyFeatureMap& first, const LazyFeatureMap& second);

}  // namespace fmboost
