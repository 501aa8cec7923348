#pragma once

#include <cstdint>

namespace fmboost {

/// Memory limits of a network that computes an image strip by strip: some rows at a time, with as many neighboring rows
/// as a layer reads. The result does not depend on the limits, except for rounding.
struct StripLimits {
  /// Approximate memory for computing one strip; a strip has at least one row.
  std::int64_t strip_bytes = std::int64_t{1} << 30;
  /// For complete results of layers, kept until they are no longer needed. Larger results are recomputed strip by strip
  /// whenever they are needed.
  std::int64_t kept_bytes = std::int64_t{4} << 30;
};

}  // namespace fmboost
