#include "nn/layers/lazy_feature_map.h"

#include <algorithm>

#include "fmboost/core/interrupt.h"

namespace fmboost {
namespace {

// How many results of the widest layer are in memory while a strip is computed.
constexpr std::int64_t kResultsAtATime = 5;

std::int64_t divide_up(std::int64_t value, std::int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

// The rows of an input with `height` rows that some rows of the result depend on, in whole steps of the layer.
Rows seen_rows(Rows range, const Footprint& f, std::int64_t height) {
  const std::int64_t top = std::max<std::int64_t>(range.top * f.down / f.up - f.halo, 0) / f.down * f.down;
  const std::int64_t bottom = divide_up(divide_up(range.bottom * f.down, f.up) + f.halo, f.down) * f.down;
  return {top, std::min(bottom, height)};
}

}  // namespace

LazyFeatureMap::LazyFeatureMap(torch::Tensor values)
    : sizes_(values.sizes().vec()),
      item_bytes_(static_cast<std::int64_t>(values.element_size())),
      held_bytes_(bytes()),
      row_bytes_(bytes() / height()),
      values_(std::move(values)) {}

torch::Tensor LazyFeatureMap::rows(Rows range) const {
  return is_kept() ? values_.slice(2, range.top, range.bottom) : compute_(range);
}

void LazyFeatureMap::for_each_strip(const StripLimits& limits,
                                    const std::function<void(Rows, const torch::Tensor&)>& use) const {
  const std::int64_t count = std::max<std::int64_t>(limits.strip_bytes / kResultsAtATime / row_bytes_, 1);
  for (std::int64_t top = 0; top < height(); top += count) {
    check_interrupt();
    const Rows strip{top, std::min(top + count, height())};
    use(strip, rows(strip));
  }
}

LazyFeatureMap LazyFeatureMap::apply(const Footprint& footprint, Layer layer) const {
  LazyFeatureMap result;
  const Footprint f = footprint;
  result.sizes_ = {sizes_[0], f.channels, sizes_[2] * f.up / f.down, sizes_[3] * f.up / f.down};
  result.item_bytes_ = item_bytes_;
  result.held_bytes_ = held_bytes_;
  result.row_bytes_ = std::max(result.bytes() / result.height(), divide_up(row_bytes_ * f.down, f.up));
  result.compute_ = [source = *this, f, layer = std::move(layer)](Rows range) {
    const Rows seen = seen_rows(range, f, source.height());
    const std::int64_t first = seen.top * f.up / f.down;
    return layer(source.rows(seen)).slice(2, range.top - first, range.bottom - first);
  };
  return result;
}

LazyFeatureMap LazyFeatureMap::keep(const StripLimits& limits) const {
  if (is_kept()) {
    return *this;
  }
  torch::Tensor all;
  for_each_strip(limits, [&](Rows strip, const torch::Tensor& values) {
    if (!all.defined()) {
      all = at::empty(sizes_, values.options().memory_format(values.suggest_memory_format()));
    }
    all.slice(2, strip.top, strip.bottom).copy_(values);
  });
  return LazyFeatureMap(all);
}

LazyFeatureMap LazyFeatureMap::derived(std::int64_t channels, const std::vector<LazyFeatureMap>& others,
                                       Compute compute) const {
  LazyFeatureMap result;
  result.sizes_ = {sizes_[0], channels, sizes_[2], sizes_[3]};
  result.item_bytes_ = item_bytes_;
  result.held_bytes_ = held_bytes_;
  result.row_bytes_ = std::max(row_bytes_, result.bytes() / result.height());
  for (const auto& other : others) {
    result.held_bytes_ += other.held_bytes_;
    result.row_bytes_ = std::max(result.row_bytes_, other.row_bytes_);
  }
  result.compute_ = std::move(compute);
  return result;
}

LazyFeatureMap concatenate(const LazyFeatureMap& first, const LazyFeatureMap& second) {
  return first.derived(first.sizes()[1] + second.sizes()[1], {second}, [first, second](Rows range) {
    return torch::cat({first.rows(range), second.rows(range)}, 1);
  });
}

}  // namespace fmboost
