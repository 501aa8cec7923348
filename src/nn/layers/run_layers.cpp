#include "nn/layers/run_layers.h"

#include "nn/layers/strip_norm.h"

namespace fmboost {
namespace {

// Footprints of the layers with a limited receptive field.
Footprint footprint(const layers::Conv2d& conv, std::int64_t /*channels*/) {
  return {.channels = conv->weight.size(0), .halo = conv->options.kernel / 2, .down = conv->options.stride};
}
Footprint footprint(const Downsample& layer, std::int64_t channels) {
  return {.channels = channels, .halo = layer->conv->options.kernel / 2, .down = 2};
}
Footprint footprint(const Upsample& /*layer*/, std::int64_t channels) {
  return {.channels = channels, .halo = 1, .up = 2};
}
Footprint footprint(const TinyBlock& /*layer*/, std::int64_t channels) {
  return {.channels = channels, .halo = 3};
}
Footprint footprint(const PlainBlock& /*layer*/, std::int64_t channels) {
  return {.channels = channels, .halo = 2};
}
Footprint footprint(const Pointwise& /*layer*/, std::int64_t channels) {
  return {.channels = channels};
}
Footprint footprint(const NearestUpsample& /*layer*/, std::int64_t channels) {
  return {.channels = channels, .up = 2};
}
Footprint footprint(const PixelShuffle& layer, std::int64_t channels) {
  return {.channels = channels / (layer.factor * layer.factor), .up = layer.factor};
}
Footprint footprint(const PixelUnshuffle& layer, std::int64_t channels) {
  return {.channels = channels * layer.factor * layer.factor, .down = layer.factor};
}

NormWeights weights_of(const layers::GroupNormImpl& norm) {
  return {norm.groups, norm.eps, norm.weight, norm.bias};
}

Layer convolution(const layers::Conv2d& conv) {
  return [conv](const torch::Tensor& x) { return conv->forward(x); };
}

// Applies one layer after the other. Without a halo, recomputing the previous layers costs nothing; otherwise they are
// kept.
class StripRun {
 public:
  StripRun(LazyFeatureMap start, const StripLimits& limits) : image_(std::move(start)), limits_(limits) {}

  template <typename Local>
  void operator()(const Local& layer) {
    const Footprint f = footprint(layer, image_.sizes()[1]);
    image_ = image_.apply(f, [layer](const torch::Tensor& x) { return run_layer(layer, x); });
    if (f.halo > 0) {
      image_ = keep_if_small(image_, limits_);
    }
  }
  void operator()(const layers::NormSilu& norm) {
    const ChannelScale scale = normalization(image_, weights_of(*norm), limits_);
    image_ =
        image_.apply({.channels = image_.sizes()[1]}, [scale](const torch::Tensor& x) { return scale.apply_silu(x); });
  }
  void operator()(const ResnetBlock& block) {
    const Layer skip =
        block->conv_shortcut.is_empty() ? [](const torch::Tensor& x) { return x; } : convolution(block->conv_shortcut);
    const NormedResidual residual{.norm1 = weights_of(*block->norm1),
                                  .norm2 = weights_of(*block->norm2),
                                  .conv1 = convolution(block->conv1),
                                  .conv2 = convolution(block->conv2),
                                  .skip = skip,
                                  .channels = block->conv2->weight.size(0)};
    image_ = run_in_strips(residual, image_, limits_);
  }
  void operator()(const SpatialSelfAttention& attention) {
    image_ = LazyFeatureMap(attention->forward(image_.keep(limits_).values()));
  }

  torch::Tensor result() const { return image_.keep(limits_).values(); }

 private:
  LazyFeatureMap image_;
  StripLimits limits_;
};

}  // namespace

torch::Tensor run_layers(const LayerList& layers, torch::Tensor x, const StripLimits* strips) {
  if (strips == nullptr) {
    for (const auto& layer : layers) {
      x = run_layer(layer, x);
    }
    return x;
  }
  const c10::InferenceMode no_gradients;
  StripRun run{LazyFeatureMap(x), *strips};
  for (const auto& layer : layers) {
    std::visit(run, layer);
  }
  return run.result();
}

}  // namespace fmboost
