#include "flow/runge_kutta.h"

#include <gtest/gtest.h>
#include <numeric>

#include "bernoulli.h"
#include "support/error_slope.h"

namespace fmboost {
namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

class EveryTableau : public testing::TestWithParam<std::string> {
 protected:
  const Tableau& method_ = *find_tableau(GetParam());
};

TEST_P(EveryTableau, IsConsistent) {
  EXPECT_NEAR(sum(method_.b), 1, 1e-14);
  ASSERT_EQ(method_.a.size(), method_.c.size());
  ASSERT_EQ(method_.b.size(), method_.c.size());
  for (std::size_t stage = 0; stage < method_.c.size(); ++stage) {
    EXPECT_LE(method_.a[stage].size(), stage) << "not explicit";
    EXPECT_NEAR(sum(method_.a[stage]), method_.c[stage], 1e-14) << stage;
  }
}

TEST_P(EveryTableau, ConvergesInItsDeclaredOrder) {
  std::vector<double> lengths;
  std::vector<double> errors;
  // Small enough for the order to show, large enough for the error to stay above float64's.
  const std::vector<int> grids = method_.order >= 5 ? std::vector{16, 32, 64} : std::vector{32, 64, 128, 256};
  for (const int steps : grids) {
    const double h = 1.0 / steps;
    torch::Tensor x = test::bernoulli_start();
    for (int i = 0; i < steps; ++i) {
      x = x + weighted_sum(method_.b, stage_slopes(method_, test::bernoulli_field, i * h, h, x)) * h;
    }
    lengths.push_back(h);
    errors.push_back(largest(x - test::bernoulli_solution(1)));
  }
  const double order = test::error_slope(lengths, errors);
  EXPECT_GT(order, method_.order - 0.25);
  EXPECT_LT(order, method_.order + 0.25);
}

TEST_P(EveryTableau, AcceptsAKnownFirstSlope) {
  const torch::Tensor x = test::bernoulli_start();
  const auto slopes = stage_slopes(method_, test::bernoulli_field, 0.3, 0.1, x);
  int calls = 0;
  const auto counting = [&](double t, const torch::Tensor& state) {
    ++calls;
    return test::bernoulli_field(t, state);
  };
  const auto again = stage_slopes(method_, counting, 0.3, 0.1, x, slopes.front());
  EXPECT_EQ(calls + 1, static_cast<int>(slopes.size()));
  EXPECT_TRUE(torch::equal(again.back(), slopes.back()));
}

INSTANTIATE_TEST_SUITE_P(Flow, EveryTableau, testing::ValuesIn(ode_method_names()),
                         [](const auto& test) { return test.param; });

class AdaptiveTableau : public testing::TestWithParam<const char*> {
 protected:
  const Tableau& method_ = *find_tableau(GetParam());
};

// The estimate is the local error of the embedded method, whose order is one less.
TEST_P(AdaptiveTableau, ErrorIsThatOfTheEmbeddedMethod) {
  ASSERT_TRUE(method_.adaptive());
  EXPECT_NEAR(sum(method_.error), 0, 1e-14);
  std::vector<double> lengths;
  std::vector<double> estimates;
  for (const double h : {0.2, 0.1, 0.05, 0.025}) {
    const auto slopes = stage_slopes(method_, test::bernoulli_field, 0.2, h, test::bernoulli_start());
    lengths.push_back(h);
    estimates.push_back(largest(weighted_sum(method_.error, slopes)) * h);
  }
  const double order = test::error_slope(lengths, estimates);
  EXPECT_GT(order, method_.order - 0.4);
  EXPECT_LT(order, method_.order + 0.4);
}

TEST_P(AdaptiveTableau, LastSlopeIsTheFirstOfTheNextStep) {
  const double h = 0.1;
  const torch::Tensor x = test::bernoulli_start();
  const auto slopes = stage_slopes(method_, test::bernoulli_field, 0.2, h, x);
  const torch::Tensor next = x + weighted_sum(method_.b, slopes) * h;
  EXPECT_LT(largest(slopes.back() - test::bernoulli_field(0.2 + h, next)), 1e-14);
}

INSTANTIATE_TEST_SUITE_P(Flow, AdaptiveTableau, testing::Values("dopri5", "bosh3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Tableau, UnknownNameGivesNull) {
  EXPECT_EQ(find_tableau("rk5"), nullptr);
}

}  // namespace
}  // namespace fmboost
