#pragma once

#include <cstdint>
#include <torch/types.h>

#include "fmboost/data/options.h"

namespace fmboost {

/// Downsamples a square, (3, high, high) in [-1, 1], to (3, side, side) within [-1, 1].
torch::Tensor downsample_square(const torch::Tensor& square, std::int64_t side, Downsampling downsampling);

/// Downsamples a square and, for the configured share of the seeds, degrades it. The same seed gives the same result;
/// squares that are not degraded equal downsample_square().
torch::Tensor degraded_square(const torch::Tensor& square, std::int64_t side, Downsampling downsampling,
                              const DegradationOptions& options, std::uint64_t seed);

}  // namespace fmboost
