#include "nn/layers/layer_memory.h"

#include <algorithm>

namespace fmboost {
namespace {

// Follows the channels and the resolution through the layers. Every operator() states what its layer's forward() holds
// at its worst moment, its input included: temporaries of an expression live until the expression ends.
class PeakCounter {
 public:
  explicit PeakCounter(std::int64_t channels) : channels_(static_cast<double>(channels)) {}

  double peak() const { return peak_; }

  void operator()(const layers::Conv2d& conv) {
    const auto out = static_cast<double>(conv->weight.size(0));
    const auto stride = static_cast<double>(conv->options.stride);
    note(channels_ + convolution(channels_, out / (stride * stride)));
    advance(out, 1 / stride);
  }
  void operator()(const layers::NormSilu& /*norm*/) { note(2 * channels_); }
  void operator()(const ResnetBlock& block) {
    const auto out = static_cast<double>(block->conv2->weight.size(0));
    note(2 * channels_ + convolution(channels_, out));
    note(channels_ + 2 * out + convolution(out, out));
    note(channels_ + out + convolution(channels_, out));  // the skip
    advance(out, 1);
  }
  // Input, tokens, queries, keys, values and the result, which is copied once.
  void operator()(const SpatialSelfAttention& /*attention*/) { note(7 * channels_); }
  void operator()(const Downsample& layer) {
    note(channels_ * (layer->pad_right_and_bottom ? 2 : 1) + convolution(channels_, channels_ / 4));
    advance(channels_, 0.5);
  }
  void operator()(const Upsample& /*layer*/) {
    note(channels_ + 4 * channels_ + convolution(4 * channels_, 4 * channels_));
    advance(channels_, 2);
  }
  void operator()(const TinyBlock& /*layer*/) { note(3 * channels_ + convolution(channels_, channels_)); }
  void operator()(const PlainBlock& /*layer*/) { note(4 * channels_ + convolution(channels_, channels_)); }
  void operator()(const Pointwise& /*layer*/) { note(3 * channels_); }
  void operator()(const NearestUpsample& /*layer*/) {
    note(channels_ + 4 * channels_);
    advance(channels_, 2);
  }
  void operator()(const PixelShuffle& layer) {
    note(2 * channels_);
    const auto factor = static_cast<double>(layer.factor);
    advance(channels_ / (factor * factor), factor);
  }
  void operator()(const PixelUnshuffle& layer) {
    note(2 * channels_);
    const auto factor = static_cast<double>(layer.factor);
    advance(channels_ * factor * factor, 1 / factor);
  }

 private:
  // What a convolution holds beside its input: its result, and copies of both in the blocked layout of oneDNN.
  static double convolution(double in, double out) { return in + 2 * out; }
  // `planes`: how many planes of the present resolution are held.
  void note(double planes) { peak_ = std::max(peak_, planes * area_); }
  void advance(double channels, double side) {
    channels_ = channels;
    area_ *= side * side;
  }

  double channels_;
  double area_ = 1;  ///< of a plane, in planes of the input
  double peak_ = 0;
};

}  // namespace

double peak_activations(const LayerList& layers, std::int64_t channels) {
  PeakCounter counter(channels);
  for (const auto& layer : layers) {
    std::visit(counter, layer);
  }
  return counter.peak();
}

}  // namespace fmboost
