#include <gtest/gtest.h>
#include <numbers>

#include "fmboost/flow/ode_solver.h"

#include "bernoulli.h"
#include "support/compare.h"

namespace fmboost {
namespace {

using test::bernoulli_field;
using test::bernoulli_solution;
using test::bernoulli_start;
using test::is_close;

struct Outcome {
  double error;
  int evaluations;
};

class Adaptive : public testing::TestWithParam<const char*> {
 protected:
  OdeOptions with_tolerance(double relative, int steps = 1) const {
    return {
        .method = GetParam(), .steps = steps, .absolute_tolerance = relative * 1e-3, .relative_tolerance = relative};
  }
  Outcome solve(const VelocityField& field, const torch::Tensor& start, const torch::Tensor& solution,
                const OdeOptions& options) const {
    int calls = 0;
    const auto counting = [&](double t, const torch::Tensor& x) {
      ++calls;
      return field(t, x);
    };
    const torch::Tensor end = solve_ode(counting, start, options);
    return {(end - solution).abs().max().item<double>(), calls};
  }
};

TEST_P(Adaptive, KeepsItsTolerance) {
  for (const double tolerance : {1e-3, 1e-5, 1e-7}) {
    const Outcome outcome = solve(bernoulli_field, bernoulli_start(), bernoulli_solution(1), with_tolerance(tolerance));
    EXPECT_LT(outcome.error, 20 * tolerance) << tolerance;
    EXPECT_GT(outcome.error, 1e-4 * tolerance) << "works harder than it was asked to at " << tolerance;
  }
}

TEST_P(Adaptive, SmallerToleranceTakesMoreEvaluations) {
  const Outcome rough = solve(bernoulli_field, bernoulli_start(), bernoulli_solution(1), with_tolerance(1e-3));
  const Outcome fine = solve(bernoulli_field, bernoulli_start(), bernoulli_solution(1), with_tolerance(1e-8));
  EXPECT_LT(rough.evaluations, 40);
  EXPECT_GT(fine.evaluations, rough.evaluations);
  EXPECT_LT(fine.error, rough.error / 1000);
}

TEST_P(Adaptive, StepsAreShortOnlyInSteepFlow) {
  // The integral of a bump of width 0.01 at t = 0.5 is its area.
  constexpr double kWidth = 0.01;
  std::vector<double> times;
  const auto bump = [&](double t, const torch::Tensor& x) {
    times.push_back(t);
    const double distance = (t - 0.5) / kWidth;
    return torch::full_like(x, std::exp(-distance * distance / 2) / (kWidth * std::sqrt(2 * std::numbers::pi)));
  };
  const torch::Tensor end = solve_ode(bump, torch::zeros({1}, torch::kFloat64), with_tolerance(1e-6, 10));
  EXPECT_NEAR(end.item<double>(), 1, 1e-4);
  const auto near = std::count_if(times.begin(), times.end(), [](double t) { return std::abs(t - 0.5) < 0.1; });
  EXPECT_GT(near, static_cast<std::ptrdiff_t>(times.size() / 2));
}

TEST_P(Adaptive, LandsOnEveryGridPoint) {
  const OdeOptions options = with_tolerance(1e-8, 7);
  solve_ode(bernoulli_field, bernoulli_start(), options, [&](int index, double t, const torch::Tensor& x) {
    EXPECT_EQ(t, index / 7.0);
    EXPECT_TRUE(is_close(x, bernoulli_solution(t), 1e-7)) << t;
  });
}

TEST_P(Adaptive, MeasuresTheErrorOverTheWholeBatch) {
  const OdeOptions options = with_tolerance(1e-4);
  const torch::Tensor start = bernoulli_start();
  const torch::Tensor once = solve_ode(bernoulli_field, start, options);
  const torch::Tensor twice = solve_ode(bernoulli_field, torch::cat({start, start}), options);
  EXPECT_TRUE(is_close(twice, torch::cat({once, once}), 1e-14));
}

TEST_P(Adaptive, ConstantFlowTakesOneStep) {
  const auto still = [](double, const torch::Tensor& x) { return torch::zeros_like(x); };
  const Outcome outcome = solve(still, bernoulli_start(), bernoulli_start(), with_tolerance(1e-6));
  EXPECT_EQ(outcome.error, 0);
  EXPECT_LT(outcome.evaluations, 60);
}

INSTANTIATE_TEST_SUITE_P(Flow, Adaptive, testing::Values("dopri5", "bosh3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(AdaptiveMethods, HigherOrderNeedsFewerEvaluations) {
  const auto evaluations = [](const char* method) {
    int calls = 0;
    const auto field = [&](double t, const torch::Tensor& x) {
      ++calls;
      return bernoulli_field(t, x);
    };
    solve_ode(field, bernoulli_start(),
              {.method = method, .steps = 1, .absolute_tolerance = 1e-12, .relative_tolerance = 1e-9});
    return calls;
  };
  EXPECT_LT(3 * evaluations("dopri5"), evaluations("bosh3"));
}

}  // namespace
}  // namespace fmboost
