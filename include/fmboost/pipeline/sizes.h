#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fmboost {

/// Width and height in pixels.
struct Size {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool operator==(const Size&) const = default;
};

/// Largest side of an image in pixels.
inline constexpr std::int64_t kMaxSide = 8192;

std::string to_string(const Size& size);  ///< "1024x768"

/// "1024" (a square) or "1024x768"; sides from 1 to kMaxSide. Throws UsageError.
Size parse_size(const std::string& text);

/// Throws UsageError naming `what` if a side is not within 1 .. kMaxSide.
void check_size(const Size& size, const std::string& what);

/// The coupling factors that upscale by at least `ratio`: the smallest product, then the fewest stages, larger factors
/// first. Empty if ratio <= 1. Throws UsageError if upscaling is needed and no factor is available.
std::vector<std::int64_t> plan_factors(double ratio, const std::vector<std::int64_t>& available);

/// How an image of a final size is made from a low-resolution image.
struct ChainPlan {
  Size low;                           ///< size of the low-resolution image
  std::vector<std::int64_t> factors;  ///< of the couplings, in the order in which they run; empty: no upscaling
};

/// Sizes of `generate`: the smallest product of factors that brings the denoiser's native size to the final shorter
/// side; the low-resolution size is final / product, rounded up to multiples of `multiple`.
ChainPlan plan_generation(const Size& final_size, std::int64_t native, std::int64_t multiple,
                          const std::vector<std::int64_t>& available);

/// The same from a given low-resolution size, which must be a multiple of `multiple` and no larger than the final size
/// rounded up (UsageError).
ChainPlan plan_generation_from(const Size& low, const Size& final_size, std::int64_t multiple,
                               const std::vector<std::int64_t>& available);

}  // namespace fmboost
