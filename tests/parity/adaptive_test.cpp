#include <functional>
#include <gtest/gtest.h>

#include "flow_field.h"
#include "kinds.h"
#include "support/compare.h"

// The adaptive solvers against solutions that are far more exact than they are asked to be: torchdiffeq's numbers bind
// them to a few percent only.

namespace fmboost::parity {
namespace {

struct Problem {
  VelocityField field;
  torch::Tensor x;
};

std::filesystem::path reference_file() {
  return std::filesystem::path(FMBOOST_TEST_DATA) / "golden" / "ode.safetensors";
}

// The field and the start of the references, in float64.
Problem reference_problem() {
  Reference reference(reference_file());
  return {flow_field(reference.input("field.A").to(torch::kFloat64), reference.input("field.b").to(torch::kFloat64)),
          reference.input("input.x").to(torch::kFloat64)};
}

// The field itself, or from t = 1 to t = 0: forward in 1 - t.
VelocityField directed(const VelocityField& field, bool reverse) {
  if (!reverse) {
    return field;
  }
  return [field](double t, const torch::Tensor& x) { return -field(1 - t, x); };
}

torch::Tensor exact_solution(const Problem& problem, bool reverse) {
  return solve_ode(directed(problem.field, reverse), problem.x,
                   {.method = "dopri5", .steps = 1, .absolute_tolerance = 1e-10, .relative_tolerance = 1e-8});
}

struct Case {
  OdeOptions options;
  bool reverse = false;
};

TEST(AdaptiveSolver, ASolutionAtRelativeTolerance1e8AgreesWithAFineGrid) {
  const Problem problem = reference_problem();
  for (const bool reverse : {false, true}) {
    const auto fine = solve_ode(directed(problem.field, reverse), problem.x, {.method = "rk4", .steps = 500});
    EXPECT_TRUE(test::is_close(exact_solution(problem, reverse), fine, 1e-8));
  }
}

// Steps of the grid, which the methods land on, both ways.
void for_every_case(const std::function<void(const Case&, const torch::Tensor& exact)>& check) {
  const Problem problem = reference_problem();
  for (const bool reverse : {false, true}) {
    const torch::Tensor exact = exact_solution(problem, reverse);
    for (const char* const method : {"dopri5", "bosh3"}) {
      for (const int steps : {1, 2, 4, 10}) {
        SCOPED_TRACE(c10::str(method, ", ", steps, " steps", reverse ? ", reverse" : ""));
        check({{.method = method, .steps = steps}, reverse}, exact);
      }
    }
  }
}

TEST(AdaptiveSolver, TheErrorFollowsTheTolerance) {
  const Problem problem = reference_problem();
  for_every_case([&](const Case& one, const torch::Tensor& exact) {
    OdeOptions options = one.options;
    const VelocityField field = directed(problem.field, one.reverse);
    for (const double tolerance : {1e-3, 1e-4, 1e-5, 1e-6, 1e-8}) {
      options.relative_tolerance = tolerance;
      options.absolute_tolerance = tolerance / 1000;
      const double error = test::compare(solve_ode(field, problem.x, options), exact).error;
      EXPECT_LT(error, 15 * tolerance) << tolerance;
      // A grid finer than the tolerance needs makes it better than asked for.
      if (options.steps == 1) {
        EXPECT_GT(error, 1e-3 * tolerance) << tolerance;
      }
    }
  });
}

TEST(AdaptiveSolver, LandingOnTheEndIsMoreExactThanTheReference) {
  const Problem problem = reference_problem();
  Reference reference(reference_file());
  const VelocityField field = flow_field(reference);
  for_every_case([&](const Case& one, const torch::Tensor& exact) {
    const std::string name =
        one.options.method + "." + std::to_string(one.options.steps + 1) + (one.reverse ? ".reverse" : "");
    const torch::Tensor ours = solve_ode(directed(field, one.reverse), reference.input("input.x"), one.options);
    const double theirs = test::compare(reference.expected(name), exact).error;
    EXPECT_LT(test::compare(ours, exact).error, theirs);
    EXPECT_LT(theirs, kAdaptiveTolerance);
  });
}

}  // namespace
}  // namespace fmboost::parity
