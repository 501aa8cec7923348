#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>

#include "fmboost/core/error.h"
#include "fmboost/flow/ode_solver.h"

#include "bernoulli.h"
#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::bernoulli_field;
using test::bernoulli_solution;
using test::bernoulli_start;
using test::is_close;
using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class EveryMethod : public testing::TestWithParam<std::string> {
 protected:
  OdeOptions options_{.method = GetParam(), .steps = 40};
};

TEST_P(EveryMethod, ConvergesToTheSolution) {
  const torch::Tensor end = solve_ode(bernoulli_field, bernoulli_start(), options_);
  EXPECT_EQ(end.scalar_type(), torch::kFloat64);
  EXPECT_TRUE(is_close(end, bernoulli_solution(1), GetParam() == "euler" ? 3e-2 : 2e-3));
}

TEST_P(EveryMethod, ReportsEveryGridPoint) {
  options_.steps = 4;
  std::vector<int> indices;
  std::vector<double> times;
  std::vector<torch::Tensor> states;
  const torch::Tensor end =
      solve_ode(bernoulli_field, bernoulli_start(), options_, [&](int index, double t, const auto& x) {
        indices.push_back(index);
        times.push_back(t);
        states.push_back(x);
      });
  EXPECT_THAT(indices, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(times, ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_TRUE(torch::equal(states.front(), bernoulli_start()));
  EXPECT_TRUE(torch::equal(states.back(), end));
  for (std::size_t i = 0; i < states.size(); ++i) {
    EXPECT_TRUE(is_close(states[i], bernoulli_solution(times[i]), 0.25)) << times[i];
  }
}

TEST_P(EveryMethod, IsExactOnStraightFlows) {
  options_.steps = 3;
  const torch::Tensor slope = torch::tensor({{2.0, -1.0}, {0.0, 3.0}}, torch::kFloat64);
  const torch::Tensor end = solve_ode([&](double, const torch::Tensor&) { return slope; }, bernoulli_start(), options_);
  EXPECT_TRUE(is_close(end, bernoulli_start() + slope, 1e-12));
}

TEST_P(EveryMethod, DoesNotModifyItsInput) {
  const torch::Tensor x = bernoulli_start();
  solve_ode(bernoulli_field, x, options_);
  EXPECT_TRUE(torch::equal(x, bernoulli_start()));
}

TEST_P(EveryMethod, PropagatesNonFiniteValues) {
  const auto explode = [](double t, const torch::Tensor& x) {
    return t > 0.4 ? x * std::numeric_limits<double>::infinity() : x;
  };
  const torch::Tensor end = solve_ode(explode, bernoulli_start(), options_);
  EXPECT_EQ(end.sizes(), bernoulli_start().sizes());
  EXPECT_FALSE(end.isfinite().any().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Flow, EveryMethod, testing::ValuesIn(ode_method_names()),
                         [](const auto& test) { return test.param; });

TEST(SolveOde, FixedGridMethodsEvaluateOncePerStage) {
  const std::map<std::string, int> stages{{"euler", 1}, {"midpoint", 2}, {"heun3", 3}, {"rk4", 4}};
  for (const auto& [method, count] : stages) {
    int calls = 0;
    const auto field = [&](double t, const torch::Tensor& x) {
      ++calls;
      return bernoulli_field(t, x);
    };
    solve_ode(field, bernoulli_start(), {.method = method, .steps = 5});
    EXPECT_EQ(calls, 5 * count) << method;
  }
}

TEST(SolveOde, EulerStepsFollowTheGrid) {
  const auto field = [](double t, const torch::Tensor& x) { return x * 0 + t; };
  const torch::Tensor end = solve_ode(field, torch::zeros({1, 2}), {.method = "euler", .steps = 4});
  EXPECT_TRUE(torch::allclose(end, torch::full({1, 2}, (0 + 0.25 + 0.5 + 0.75) / 4)));
}

TEST(OdeOptions, ValueOutOfRangeIsNamed) {
  const auto refusal = [](const OdeOptions& options) { return thrown<UsageError>([&] { options.check(); }); };
  EXPECT_THAT(refusal({.method = "rk5"}), AllOf(HasSubstr("unknown flow solver 'rk5'"),
                                                HasSubstr("use euler, midpoint, rk4, heun3, dopri5 or bosh3")));
  EXPECT_THAT(refusal({.steps = 0}), HasSubstr("1 to 1000 steps, not 0"));
  EXPECT_THAT(refusal({.steps = 1001}), HasSubstr("1 to 1000 steps, not 1001"));
  EXPECT_THAT(refusal({.absolute_tolerance = 0}), HasSubstr("tolerances must be positive"));
  EXPECT_THAT(refusal({.relative_tolerance = -1}), HasSubstr("tolerances must be positive"));
  EXPECT_THAT(refusal({.relative_tolerance = std::numeric_limits<double>::quiet_NaN()}), HasSubstr("tolerances"));
  EXPECT_THAT(thrown<UsageError>([] { solve_ode(bernoulli_field, bernoulli_start(), {.method = ""}); }),
              HasSubstr("unknown flow solver ''"));
}

}  // namespace
}  // namespace fmboost
