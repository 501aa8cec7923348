#pragma once

#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "fmboost/core/random.h"

#include "nn/layers/lazy_feature_map.h"
#include "support/compare.h"

namespace fmboost::test {

inline torch::Tensor random_values(at::IntArrayRef sizes, std::uint64_t seed = 1) {
  auto generator = cpu_generator(seed);
  return gaussian_noise(sizes.vec(), generator);
}

/// Weights of about the size that keeps numbers as large as they were, norms' included.
template <typename Network>
Network filled(Network network) {
  std::uint64_t seed = 0;
  for (const auto& item : network->named_parameters()) {
    torch::Tensor parameter = item.value();
    const double fan_in = parameter.dim() > 1 ? static_cast<double>(parameter[0].numel()) : 16.0;
    const torch::Tensor numbers = random_values(parameter.sizes(), ++seed) / std::sqrt(fan_in);
    const bool norm = parameter.dim() == 1 && item.key().ends_with("weight");
    parameter.set_data(norm ? 1 + numbers : numbers);
  }
  network->eval();
  return network;
}

/// From strips of a single row and nothing kept, over strips that divide no height, to all that may be wanted.
inline std::vector<StripLimits> many_limits() {
  std::vector<StripLimits> limits;
  for (const std::int64_t strip : {1, 50'000, 200'000, 1'000'000, 100'000'000}) {
    for (const std::int64_t kept : {0, 40'000, 150'000, 1'000'000'000}) {
      limits.push_back({.strip_bytes = strip, .kept_bytes = kept});
    }
  }
  return limits;
}

inline std::string named(const StripLimits& limits) {
  return c10::str("strips of ", limits.strip_bytes, " bytes, ", limits.kept_bytes, " kept");
}

/// `run` with limits must give what it gives without.
inline void expect_equal_in_strips(const std::function<torch::Tensor(const StripLimits*)>& run) {
  const c10::InferenceMode no_gradients;
  const torch::Tensor whole = run(nullptr);
  ASSERT_GT(whole.std().item<double>(), 0.01);
  ASSERT_TRUE(whole.isfinite().all().item<bool>());
  for (const StripLimits& limits : many_limits()) {
    const torch::Tensor strips = run(&limits);
    ASSERT_EQ(strips.sizes(), whole.sizes());
    EXPECT_TRUE(is_close(strips, whole, 1e-5)) << named(limits);
  }
}

}  // namespace fmboost::test
