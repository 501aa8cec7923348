#include "nn/layers/strip_norm.h"

namespace fmboost {
namespace {

// Mean and sum of squared deviations per group, (B, groups) float64.
class GroupStatistics {
 public:
  explicit GroupStatistics(std::int64_t groups) : groups_(groups) {}

  void add(const torch::Tensor& strip) {
    const torch::Tensor grouped = strip.to(torch::kFloat32).unflatten(1, {groups_, -1});
    const auto [variance, average] = torch::var_mean(grouped, at::IntArrayRef{2, 3, 4}, /*unbiased=*/false);
    const auto count = static_cast<double>(grouped.numel()) / static_cast<double>(grouped.size(0) * groups_);
    const torch::Tensor mean = average.to(torch::kFloat64);
    const torch::Tensor squares = variance.to(torch::kFloat64) * count;
    if (count_ == 0) {
      mean_ = mean;
      squares_ = squares;
    } else {
      const torch::Tensor difference = mean - mean_;
      const double all = count_ + count;
      mean_ = mean_ + difference * (count / all);
      squares_ = squares_ + squares + difference.square() * (count_ * count / all);
    }
    count_ += count;
  }

  torch::Tensor mean() const { return mean_; }
  torch::Tensor variance() const { return squares_ / count_; }

 private:
  std::int64_t groups_;
  double count_ = 0;
  torch::Tensor mean_, squares_;
};

// (B, groups) or (C) -> (B or 1, C, 1, 1)
torch::Tensor per_channel(const torch::Tensor& values, std::int64_t repeats) {
  return (values.dim() == 1 ? values.unsqueeze(0) : values).repeat_interleave(repeats, 1).unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

torch::Tensor ChannelScale::apply(const torch::Tensor& x) const {
  return torch::addcmul(shift, x.to(torch::kFloat32), scale).to(x.scalar_type());
}

torch::Tensor ChannelScale::apply_silu(const torch::Tensor& x) const {
  torch::Tensor result = apply(x);
  return torch::silu_(result);
}

ChannelScale ChannelScale::then(const ChannelScale& outer) const {
  return {scale * outer.scale, shift * outer.scale + outer.shift};
}

ChannelScale normalization(const LazyFeatureMap& x, const NormWeights& norm, const StripLimits& limits) {
  GroupStatistics statistics(norm.groups);
  x.for_each_strip(limits, [&](Rows, const torch::Tensor& strip) { statistics.add(strip); });
  const std::int64_t width = x.sizes()[1] / norm.groups;
  const torch::Tensor weight = per_channel(norm.weight.to(torch::kFloat64), 1);
  const torch::Tensor bias = per_channel(norm.bias.to(torch::kFloat64), 1);
  const torch::Tensor scale = per_channel(torch::rsqrt(statistics.variance() + norm.eps), width) * weight;
  const torch::Tensor shift = bias - per_channel(statistics.mean(), width) * scale;
  return {scale.to(torch::kFloat32), shift.to(torch::kFloat32)};
}

LazyFeatureMap keep_if_small(const LazyFeatureMap& result, const StripLimits& limits) {
  return result.bytes() <= limits.kept_bytes / 2 ? result.keep(limits) : result;
}

LazyFeatureMap run_in_strips(const NormedResidual& block, const LazyFeatureMap& x, const StripLimits& limits) {
  const ChannelScale norm1 = normalization(x, block.norm1, limits);
  const auto first = [conv = block.conv1, norm1](const torch::Tensor& strip) { return conv(norm1.apply_silu(strip)); };
  LazyFeatureMap middle = x.apply({.channels = block.channels, .halo = 1}, first);
  // The result is as large as the intermediate one.
  if (middle.bytes() <= limits.kept_bytes / 2 && x.held_bytes() + 2 * middle.bytes() <= limits.kept_bytes) {
    middle = middle.keep(limits);
  }
  ChannelScale norm2 = normalization(middle, block.norm2, limits);
  if (block.modulation) {
    norm2 = norm2.then(*block.modulation);
  }
  const auto second = [conv = block.conv2, norm2](const torch::Tensor& strip) { return conv(norm2.apply_silu(strip)); };
  if (middle.is_kept()) {
    const LazyFeatureMap h = middle.apply({.channels = block.channels, .halo = 1}, second);
    const auto sum = [h, x, skip = block.skip](Rows wanted) { return h.rows(wanted) + skip(x.rows(wanted)); };
    return keep_if_small(h.derived(block.channels, {x}, sum), limits);
  }
  // In one function, so that the rows of x are computed once.
  const auto both = [first, second, skip = block.skip](const torch::Tensor& strip) {
    return second(first(strip)).add_(skip(strip));
  };
  return keep_if_small(x.apply({.channels = block.channels, .halo = 2}, both), limits);
}

}  // namespace fmboost
