#include "fmboost/eval/statistics.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// P(|T| <= t)
double student_t_probability(double t, std::int64_t degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const bool odd = degrees % 2 == 1;
  const double cosine = std::cos(angle);
  double term = odd ? cosine : 1.0;
  double sum = degrees > 1 ? term : 0.0;
  for (std::int64_t k = odd ? 3 : 2; k < degrees; k += 2) {
    term *= static_cast<double>(k - 1) / static_cast<double>(k) * cosine * cosine;
    sum += term;
  }
  return odd ? 2.0 / std::numbers::pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
}

}  // namespace

double student_t_bound(std::int64_t degrees, double level) {
  double low = 0;
  double high = 1;
  while (student_t_probability(high, degrees) < level) {
    high *= 2;
  }
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (student_t_probability(middle, degrees) < level ? low : high) = middle;
  }
  return high;
}

Estimate estimate_mean(std::span<const double> values) {
  if (values.empty()) {
    throw Error("there are no values to average");
  }
  const auto n = static_cast<double>(values.size());
  Estimate estimate{.mean = std::accumulate(values.begin(), values.end(), 0.0) / n, .half_width = std::nullopt};
  if (values.size() > 1 && std::isfinite(estimate.mean)) {
    double squares = 0;
    for (const double value : values) {
      squares += (value - estimate.mean) * (value - estimate.mean);
    }
    const double deviation = std::sqrt(squares / (n - 1));
    estimate.half_width =
        student_t_bound(static_cast<std::int64_t>(values.size()) - 1, 0.95) * deviation / std::sqrt(n);
  }
  return estimate;
}

}  // namespace fmboost
