#include "image/write/png_filters.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

// Compiles a function for the vectors of AVX2 as well, which is chosen at run time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FMBOOST_VECTORIZED __attribute__((target_clones("avx2", "default")))
#else
#define FMBOOST_VECTORIZED
#endif

namespace fmboost {
namespace {

enum FilterType : std::uint8_t { kNone, kSub, kUp, kAverage, kPaeth };

// left, above and above left. Without branches, so that it is vectorized.
__attribute__((always_inline)) inline int paeth(int a, int b, int c) {
  const int to_a = std::abs(b - c);
  const int to_b = std::abs(a - c);
  const int to_c = std::abs(a + b - 2 * c);
  const int b_or_c = to_b <= to_c ? b : c;
  return to_a <= to_b && to_a <= to_c ? a : b_or_c;
}

// Writes row - predicted(left, above, above left), in which the pixel left of the first one is zero.
template <typename Predictor>
__attribute__((always_inline)) inline void subtract(std::span<const std::uint8_t> row, const std::uint8_t* above,
                                                    std::size_t step, Predictor predicted, std::uint8_t* out) {
  const std::size_t first = std::min(step, row.size());
  for (std::size_t i = 0; i < first; ++i) {
    out[i] = static_cast<std::uint8_t>(row[i] - predicted(0, above[i], 0));
  }
  const std::uint8_t* current = row.data();
  for (std::size_t i = first; i < row.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(current[i] - predicted(current[i - step], above[i], above[i - step]));
  }
}

FMBOOST_VECTORIZED void apply_filter(FilterType type, std::span<const std::uint8_t> row, const std::uint8_t* above,
                                     std::size_t step, std::uint8_t* out) {
  switch (type) {
    case kNone:
      std::copy(row.begin(), row.end(), out);
      break;
    case kSub:
      subtract(
          row, above, step, [](int a, int, int) { return a; }, out);
      break;
    case kUp:
      subtract(
          row, above, step, [](int, int b, int) { return b; }, out);
      break;
    case kAverage:
      subtract(
          row, above, step, [](int a, int b, int) { return (a + b) >> 1; }, out);
      break;
    case kPaeth:
      subtract(row, above, step, paeth, out);
      break;
  }
}

// Sum of the residuals' magnitudes as signed numbers, the usual measure of how well they compress.
FMBOOST_VECTORIZED std::uint64_t magnitude(std::span<const std::uint8_t> residuals) {
  constexpr std::size_t kBlock = 1 << 16;  // of which the sum fits into 32 bits
  std::uint64_t total = 0;
  for (std::size_t at = 0; at < residuals.size(); at += kBlock) {
    std::uint32_t sum = 0;
    for (const std::uint8_t residual : residuals.subspan(at, std::min(kBlock, residuals.size() - at))) {
      sum += static_cast<std::uint32_t>(std::abs(static_cast<int>(static_cast<std::int8_t>(residual))));
    }
    total += sum;
  }
  return total;
}

}  // namespace

PngFilter::PngFilter(std::size_t row_bytes, std::size_t pixel_bytes)
    : pixel_bytes_(pixel_bytes), nothing_(row_bytes), candidate_(row_bytes) {}

void PngFilter::filter(std::span<const std::uint8_t> row, std::span<const std::uint8_t> above,
                       std::span<std::uint8_t> out) {
  const std::uint8_t* previous = above.empty() ? nothing_.data() : above.data();
  std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
  for (const FilterType type : {kNone, kSub, kUp, kAverage, kPaeth}) {
    apply_filter(type, row, previous, pixel_bytes_, candidate_.data());
    const std::uint64_t size = magnitude(candidate_);
    if (size < best) {
      best = size;
      out[0] = type;
      std::copy(candidate_.begin(), candidate_.end(), out.begin() + 1);
    }
  }
}

}  // namespace fmboost
