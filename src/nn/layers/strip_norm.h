#pragma once

#include <optional>

#include "nn/layers/lazy_feature_map.h"

namespace fmboost {

/// The parameters of a group norm.
struct NormWeights {
  std::int64_t groups = 1;
  double eps = 1e-5;
  torch::Tensor weight, bias;  ///< (C)
};

/// A norm with the statistics of the whole image: x scale + shift, both (B, C, 1, 1) float32.
struct ChannelScale {
  torch::Tensor scale, shift;

  /// The shape and dtype of x; computed in float32.
  torch::Tensor apply(const torch::Tensor& x) const;
  /// The same, followed by SiLU.
  torch::Tensor apply_silu(const torch::Tensor& x) const;
  /// (x scale + shift) outer.scale + outer.shift
  ChannelScale then(const ChannelScale& outer) const;
};

/// Reads the image once. The means and variances of the strips are combined in float64 (Chan, Golub and LeVeque 1979)
/// into those of the whole image.
ChannelScale normalization(const LazyFeatureMap& x, const NormWeights& norm, const StripLimits& limits);

/// A residual block of the UNets and AutoencoderKL: norm, SiLU, conv1, norm, modulation, SiLU, conv2, plus the skip.
struct NormedResidual {
  NormWeights norm1, norm2;
  Layer conv1, conv2;         ///< 3 x 3
  Layer skip;                 ///< 1 x 1
  std::int64_t channels = 0;  ///< of the results of conv1 and conv2
  std::optional<ChannelScale> modulation = std::nullopt;
};

/// The result between the convolutions is kept if it and the final result fit in memory together with x.
LazyFeatureMap run_in_strips(const NormedResidual& block, const LazyFeatureMap& x, const StripLimits& limits);

/// Keeps `result` if it takes at most half of what may be kept, so that it fits together with its input; otherwise
/// returns it unchanged.
LazyFeatureMap keep_if_small(const LazyFeatureMap& result, const StripLimits& limits);

}  // namespace fmboost
