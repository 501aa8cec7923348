#pragma once

#include <optional>

#include "nn/layers/lazy_feature_map.h"

namespace fmboost {

/// A group norm's numbers, whatever layer holds them.
struct NormWeights {
  std::int64_t groups = 1;
  double eps = 1e-5;
  torch::Tensor weight, bias;  ///< (C)
};

/// What a norm comes down to once the statistics of the whole image are known: x scale + shift, both (B, C, 1, 1)
/// float32.
struct ChannelScale {
  torch::Tensor scale, shift;

  /// As x; computed in float32.
  torch::Tensor apply(const torch::Tensor& x) const;
  /// SiLU of that.
  torch::Tensor apply_silu(const torch::Tensor& x) const;
  /// (x scale + shift) outer.scale + outer.shift
  ChannelScale then(const ChannelScale& outer) const;
};

/// Goes over the image once. The strips' means and variances are put together in float64 (Chan, Golub and LeVeque
/// 1979), so that they are the whole image's.
ChannelScale normalization(const LazyFeatureMap& x, const NormWeights& norm, const StripLimits& limits);

/// norm, SiLU, conv1, norm, modulation, SiLU, conv2, beside a skip: a residual block of the UNets and AutoencoderKL.
struct NormedResidual {
  NormWeights norm1, norm2;
  Layer conv1, conv2;         ///< of 3 x 3
  Layer skip;                 ///< of single latent pixels
  std::int64_t channels = 0;  ///< that conv1 and conv2 give
  std::optional<ChannelScale> modulation = std::nullopt;
};

/// What lies between its convolutions is kept where it and the result fit beside what x holds.
LazyFeatureMap run_in_strips(const NormedResidual& block, const LazyFeatureMap& x, const StripLimits& limits);

/// `result` kept where it takes at most half of what may be kept: so it fits beside the one that it is computed from.
/// Else as it is.
LazyFeatureMap keep_if_small(const LazyFeatureMap& result, const StripLimits& limits);

}  // namespace fmboost
