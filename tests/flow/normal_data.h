#pragma once

#include <torch/types.h>

#include "fmboost/flow/path.h"

namespace fmboost::test {

/// Data that is normal around 0: everything about its flow is known, and linear in x.
class NormalData {
 public:
  NormalData(PathKind kind, double deviation) : path_(kind), variance_(deviation * deviation) {}

  const Path& path() const { return path_; }

  /// Of x_t.
  double variance(double t) const {
    const auto [alpha, sigma] = std::pair(value(path_.alpha(time(t))), value(path_.sigma(time(t))));
    return alpha * alpha * variance_ + sigma * sigma;
  }

  torch::Tensor velocity(double t, const torch::Tensor& x) const {
    const double change = value(path_.alpha(time(t))) * value(path_.alpha_derivative(time(t))) * variance_ +
                          value(path_.sigma(time(t))) * value(path_.sigma_derivative(time(t)));
    return x * (change / variance(t));
  }

 private:
  static torch::Tensor time(double t) { return torch::full({1}, t, torch::kFloat64); }
  static double value(const torch::Tensor& x) { return x.item<double>(); }

  Path path_;
  double variance_;
};

}  // namespace fmboost::test
