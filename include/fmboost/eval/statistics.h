#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace fmboost {

/// A mean and its confidence interval.
struct Estimate {
  double mean = 0;
  /// Half of the 95 % confidence interval, t s / sqrt(n) with Student's t of n - 1 degrees of freedom, assuming that
  /// the images are a random sample. None for a single value or if a value is infinite.
  std::optional<double> half_width;
};

/// Throws Error if there are no values.
Estimate estimate_mean(std::span<const double> values);

/// The bound that |t| does not exceed with probability `level`, 0 < level < 1, for Student's t with `degrees` >= 1
/// degrees of freedom. Inverts the finite series of Abramowitz & Stegun 26.7.3 and 26.7.4.
double student_t_bound(std::int64_t degrees, double level);

}  // namespace fmboost
