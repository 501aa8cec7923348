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

/// What a layer does to sizes, and how many rows above and below it looks at. A row of its result comes from `down /
/// up` rows of its input.
struct Footprint {
  std::int64_t channels = 0;  ///< of the result
  std::int64_t halo = 0;      ///< rows of the input
  std::int64_t up = 1;
  std::int64_t down = 1;
};

/// A layer, or several, as a function of images (B, C, H, W). Beyond the edges of what it is given it assumes zeros.
using Layer = std::function<torch::Tensor(const torch::Tensor&)>;

/// An image (B, C, H, W) whose rows are computed each time they are asked for, unless they were kept.
class LazyFeatureMap {
 public:
  explicit LazyFeatureMap(torch::Tensor values);

  at::IntArrayRef sizes() const { return sizes_; }
  std::int64_t height() const { return sizes_[2]; }
  /// What it takes, or would take if it were kept.
  std::int64_t bytes() const { return sizes_[0] * sizes_[1] * sizes_[2] * sizes_[3] * item_bytes_; }
  /// What the kept images take that its rows are computed from.
  std::int64_t held_bytes() const { return held_bytes_; }
  bool is_kept() const { return values_.defined(); }
  /// The kept values.
  const torch::Tensor& values() const { return values_; }

  /// (B, C, bottom - top, W); not to be written to.
  torch::Tensor rows(Rows wanted) const;
  /// Calls `use` with all rows, in strips from the top to the bottom. Throws Error on an interrupt.
  void for_each_strip(const StripLimits& limits, const std::function<void(Rows, const torch::Tensor&)>& use) const;

  /// What `layer` makes of it. The layer is given halos; what it makes near their ends, where it assumed zeros that are
  /// not there, is cut off. At the image's own edges it assumes them rightly.
  LazyFeatureMap apply(const Footprint& footprint, Layer layer) const;
  /// The same with all rows computed now.
  LazyFeatureMap keep(const StripLimits& limits) const;

  /// Another image of its size (but for `channels`) whose rows `compute` makes from it and from `others`.
  using Compute = std::function<torch::Tensor(Rows)>;
  LazyFeatureMap derived(std::int64_t channels, const std::vector<LazyFeatureMap>& others, Compute compute) const;

 private:
  LazyFeatureMap() = default;

  std::vector<std::int64_t> sizes_;
  std::int64_t item_bytes_ = 0;
  std::int64_t held_bytes_ = 0;
  std::int64_t row_bytes_ = 0;  ///< of what the widest layer makes for one row
  torch::Tensor values_;
  Compute compute_;
};

/// The channels of one after those of the other.
LazyFeatureMap concatenate(const LazyFeatureMap& first, const LazyFeatureMap& second);

}  // namespace fmboost
