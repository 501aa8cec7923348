#include "nn/esrgan/rrdb_net.h"

#include "fmboost/core/interrupt.h"

#include "nn/layers/lazy_feature_map.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/strip_norm.h"

namespace fmboost {
namespace {

constexpr double kSlope = 0.2;          // of the leaky ReLUs
constexpr double kResidualScale = 0.2;  // of every residual branch

// In place: `x` is a result that nothing else refers to.
torch::Tensor activated(torch::Tensor x) {
  return torch::leaky_relu_(x, kSlope);
}

torch::Tensor doubled(const torch::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

}  // namespace

void RrdbNetOptions::check() const {
  const OptionChecks checks("RRDBNet configuration");
  checks.size("channels", channels, 4);
  checks.size("features", features, 1024);
  checks.size("growth", growth, 1024);
  checks.size("blocks", blocks, 256);
  checks.require(upsamplings >= 0 && upsamplings <= 4, "upsamplings", "from 0 to 4");
  checks.require(pixel_unshuffle == 1 || pixel_unshuffle == 2 || pixel_unshuffle == 4, "pixel_unshuffle", "1, 2 or 4");
  checks.require((std::int64_t{1} << upsamplings) >= pixel_unshuffle, "pixel_unshuffle",
                 "at most what the upsamplings bring back");
}

ResidualDenseBlockImpl::ResidualDenseBlockImpl(std::int64_t features, std::int64_t growth) {
  for (std::size_t i = 0; i < convolutions_.size(); ++i) {
    const bool is_last = i + 1 == convolutions_.size();
    convolutions_[i] =
        register_module("conv" + std::to_string(i + 1),
                        layers::Conv2d(features + static_cast<std::int64_t>(i) * growth, is_last ? features : growth));
  }
}

torch::Tensor ResidualDenseBlockImpl::forward(const torch::Tensor& x) const {
  // One buffer that every convolution reads up to the channels written so far, instead of a concatenation for each.
  const std::int64_t features = x.size(1);
  const std::int64_t growth = convolutions_.front()->weight.size(0);
  const auto inner = static_cast<std::int64_t>(convolutions_.size()) - 1;
  const torch::Tensor seen = at::empty({x.size(0), features + inner * growth, x.size(2), x.size(3)},
                                       x.options().memory_format(x.suggest_memory_format()));
  seen.narrow(1, 0, features).copy_(x);
  std::int64_t written = features;
  for (std::int64_t i = 0; i < inner; ++i, written += growth) {
    seen.narrow(1, written, growth)
        .copy_(activated(convolutions_[static_cast<std::size_t>(i)]->forward(seen.narrow(1, 0, written))));
  }
  return convolutions_.back()->forward(seen).mul_(kResidualScale).add_(x);
}

RrdbImpl::RrdbImpl(std::int64_t features, std::int64_t growth) {
  rdb1_ = register_module("rdb1", ResidualDenseBlock(features, growth));
  rdb2_ = register_module("rdb2", ResidualDenseBlock(features, growth));
  rdb3_ = register_module("rdb3", ResidualDenseBlock(features, growth));
}

torch::Tensor RrdbImpl::forward(const torch::Tensor& x) const {
  return rdb3_->forward(rdb2_->forward(rdb1_->forward(x))).mul_(kResidualScale).add_(x);
}

RrdbNetImpl::RrdbNetImpl(RrdbNetOptions options) : options_(options) {
  options_.check();
  const std::int64_t features = options_.features;
  const std::int64_t squares = options_.pixel_unshuffle * options_.pixel_unshuffle;
  conv_first_ = register_module("conv_first", layers::Conv2d(options_.channels * squares, features));
  for (std::int64_t i = 0; i < options_.blocks; ++i) {
    body_.push_back(layers::add(*this, "body." + std::to_string(i), Rrdb(features, options_.growth)));
  }
  conv_body_ = register_module("conv_body", layers::Conv2d(features, features));
  for (std::int64_t i = 0; i < options_.upsamplings; ++i) {
    conv_up_.push_back(register_module("conv_up" + std::to_string(i + 1), layers::Conv2d(features, features)));
  }
  conv_hr_ = register_module("conv_hr", layers::Conv2d(features, features));
  conv_last_ = register_module("conv_last", layers::Conv2d(features, options_.channels));
}

// Everything behind the trunk.
torch::Tensor RrdbNetImpl::upsampled(torch::Tensor features) const {
  for (const auto& convolution : conv_up_) {
    features = activated(convolution->forward(doubled(features)));
  }
  return conv_last_->forward(activated(conv_hr_->forward(features)));
}

torch::Tensor RrdbNetImpl::forward(const torch::Tensor& pixels, const StripLimits* strips) const {
  const c10::InferenceMode no_gradients;
  const torch::Tensor input =
      (options_.pixel_unshuffle > 1 ? torch::pixel_unshuffle(pixels, options_.pixel_unshuffle) : pixels)
          .contiguous(at::MemoryFormat::ChannelsLast);
  return strips == nullptr ? whole(input) : in_strips(input, *strips);
}

torch::Tensor RrdbNetImpl::whole(const torch::Tensor& input) const {
  const torch::Tensor first = conv_first_->forward(input);
  torch::Tensor trunk = first;
  for (const auto& block : body_) {
    check_interrupt();
    trunk = block->forward(trunk);
  }
  return upsampled(conv_body_->forward(trunk).add_(first));
}

torch::Tensor RrdbNetImpl::in_strips(const torch::Tensor& input, const StripLimits& strips) const {
  const std::int64_t features = options_.features;
  const auto kept = [&](const LazyFeatureMap& map) { return keep_if_small(map, strips); };
  const auto convolved = [&](const LazyFeatureMap& map, const layers::Conv2d& convolution) {
    return map.apply({.channels = convolution->weight.size(0), .halo = 1},
                     [convolution](const torch::Tensor& x) { return convolution->forward(x); });
  };
  const LazyFeatureMap first = kept(convolved(LazyFeatureMap(input), conv_first_));
  LazyFeatureMap trunk = first;
  for (const auto& block : body_) {
    trunk = kept(trunk.apply({.channels = features, .halo = RrdbImpl::kHalo},
                             [block](const torch::Tensor& x) { return block->forward(x); }));
  }
  const LazyFeatureMap body = convolved(trunk, conv_body_);
  LazyFeatureMap map = kept(
      first.derived(features, {body}, [first, body](Rows wanted) { return first.rows(wanted) + body.rows(wanted); }));
  for (const auto& convolution : conv_up_) {
    const LazyFeatureMap larger = map.apply({.channels = features, .up = 2}, doubled);
    map = kept(larger.apply({.channels = features, .halo = 1},
                            [convolution](const torch::Tensor& x) { return activated(convolution->forward(x)); }));
  }
  map = kept(map.apply({.channels = features, .halo = 1},
                       [conv = conv_hr_](const torch::Tensor& x) { return activated(conv->forward(x)); }));
  return convolved(map, conv_last_).keep(strips).values();
}

}  // namespace fmboost
