#pragma once

#include <cmath>
#include <torch/types.h>

namespace fmboost::test {

// dx/dt = x^2 cos(t), neither linear in x nor independent of t: x = x0 / (1 - x0 sin(t)).

inline torch::Tensor bernoulli_field(double t, const torch::Tensor& x) {
  return x.square() * std::cos(t);
}

inline torch::Tensor bernoulli_start() {
  return torch::tensor({{-1.0, 0.2}, {0.4, 0.6}}, torch::kFloat64);
}

inline torch::Tensor bernoulli_solution(double t) {
  const torch::Tensor x0 = bernoulli_start();
  return x0 / (1 - x0 * std::sin(t));
}

}  // namespace fmboost::test
