#pragma once

#include <cmath>
#include <vector>

namespace fmboost::test {

/// Least-squares slope of log(error) over log(step): the order of convergence that the errors show.
inline double error_slope(const std::vector<double>& steps, const std::vector<double>& errors) {
  double x_mean = 0;
  double y_mean = 0;
  const auto count = static_cast<double>(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    x_mean += std::log(steps[i]) / count;
    y_mean += std::log(errors[i]) / count;
  }
  double covariance = 0;
  double variance = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    covariance += (std::log(steps[i]) - x_mean) * (std::log(errors[i]) - y_mean);
    variance += (std::log(steps[i]) - x_mean) * (std::log(steps[i]) - x_mean);
  }
  return covariance / variance;
}

}  // namespace fmboost::test
