#include <algorithm>

#include "fmboost/nn/esrgan_options.h"

namespace fmboost {
namespace {

// What a convolution holds: input, result, and copies of both in the layout of the library that computes it.
double held_by_convolution(std::int64_t in, std::int64_t out) {
  return 2.0 * static_cast<double>(in + out);
}

double squared_factor(std::int64_t factor) {
  return static_cast<double>(factor * factor);
}

}  // namespace

double peak_activations(const RrdbNetOptions& options) {
  const std::int64_t widest = options.features + 4 * options.growth;
  // In the last dense block: the first features, the block's input, its first dense block's input, and a convolution.
  const double trunk = (3.0 * static_cast<double>(options.features) + held_by_convolution(widest, options.features)) /
                       squared_factor(std::int64_t{1} << options.upsamplings);
  return std::max(trunk, held_by_convolution(options.features, options.features));
}

double peak_activations(const SrvggNetOptions& options) {
  const double trunk = held_by_convolution(options.features, options.features) / squared_factor(options.scale);
  return trunk + 4.0 * static_cast<double>(options.channels);
}

}  // namespace fmboost
