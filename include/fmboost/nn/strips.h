#pragma once

#include <cstdint>

namespace fmboost {

/// How much memory a network may take for an image that it computes strip by strip: some rows at a time, with as much
/// of the neighboring rows as a layer sees. Its result does not depend on the limits, beyond rounding.
struct StripLimits {
  /// For computing one strip, about; a strip has at least one row.
  std::int64_t strip_bytes = std::int64_t{1} << 30;
  /// For results of layers that are kept whole until they are no longer needed. What would take more is computed again,
  /// strip by strip, whenever it is needed.
  std::int64_t kept_bytes = std::int64_t{4} << 30;
};

}  // namespace fmboost
