#include "nn/esrgan/srvgg_net.h"

#include "fmboost/core/interrupt.h"

#include "nn/layers/lazy_feature_map.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/strip_norm.h"

namespace fmboost {

void SrvggNetOptions::check() const {
  const OptionChecks checks("SRVGGNetCompact configuration");
  checks.size("channels", channels, 4);
  checks.size("features", features, 1024);
  checks.size("convolutions", convolutions, 256);
  checks.size("scale", scale, 8);
}

PReluImpl::PReluImpl(std::int64_t channels) : weight(layers::add_parameter(*this, "weight", {channels})) {}

torch::Tensor PReluImpl::forward(const torch::Tensor& x) const {
  return torch::prelu(x, weight.to(x.scalar_type()));
}

SrvggNetImpl::SrvggNetImpl(SrvggNetOptions options) : options_(options) {
  options_.check();
  std::int64_t index = 0;
  const auto name = [&] { return "body." + std::to_string(index++); };
  for (std::int64_t i = 0; i <= options_.convolutions; ++i) {
    const std::int64_t in = i == 0 ? options_.channels : options_.features;
    convolutions_.push_back(layers::add(*this, name(), layers::Conv2d(in, options_.features)));
    activations_.push_back(layers::add(*this, name(), PRelu(options_.features)));
  }
  convolutions_.push_back(layers::add(
      *this, name(), layers::Conv2d(options_.features, options_.channels * options_.scale * options_.scale)));
}

torch::Tensor SrvggNetImpl::forward(const torch::Tensor& pixels, const StripLimits* strips) const {
  const c10::InferenceMode no_gradients;
  const torch::Tensor input = pixels.contiguous(at::MemoryFormat::ChannelsLast);
  return strips == nullptr ? whole(input) : in_strips(input, *strips);
}

torch::Tensor SrvggNetImpl::whole(const torch::Tensor& pixels) const {
  torch::Tensor x = pixels;
  for (std::size_t i = 0; i < activations_.size(); ++i) {
    check_interrupt();
    x = activations_[i]->forward(convolutions_[i]->forward(x));
  }
  const std::int64_t scale = options_.scale;
  const torch::Tensor nearest = at::upsample_nearest2d(pixels, {scale * pixels.size(2), scale * pixels.size(3)});
  return torch::pixel_shuffle(convolutions_.back()->forward(x), scale).add_(nearest);
}

torch::Tensor SrvggNetImpl::in_strips(const torch::Tensor& pixels, const StripLimits& strips) const {
  const std::int64_t scale = options_.scale;
  const auto upsampled_pixels = [scale](const torch::Tensor& x) {
    return at::upsample_nearest2d(x, {scale * x.size(2), scale * x.size(3)});
  };
  const std::size_t last = activations_.size();
  const LazyFeatureMap input(pixels);
  LazyFeatureMap map = input;
  for (std::size_t i = 0; i < last; ++i) {
    map = keep_if_small(map.apply({.channels = options_.features, .halo = 1},
                                  [convolution = convolutions_[i], activation = activations_[i]](
                                      const torch::Tensor& x) { return activation->forward(convolution->forward(x)); }),
                        strips);
  }
  const LazyFeatureMap detail =
      map.apply({.channels = options_.channels * scale * scale, .halo = 1},
                [convolution = convolutions_[last]](const torch::Tensor& x) { return convolution->forward(x); })
          .apply({.channels = options_.channels, .up = scale},
                 [scale](const torch::Tensor& x) { return torch::pixel_shuffle(x, scale); });
  const LazyFeatureMap larger = input.apply({.channels = options_.channels, .up = scale}, upsampled_pixels);
  return detail
      .derived(options_.channels, {larger},
               [detail, larger](Rows wanted) { return detail.rows(wanted) + larger.rows(wanted); })
      .keep(strips)
      .values();
}

}  // namespace fmboost
