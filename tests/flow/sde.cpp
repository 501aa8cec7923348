#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>

#include "fmboost/core/error.h"
#include "fmboost/flow/sde_solver.h"

#include "normal_data.h"
#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::NormalData;
using test::thrown;
using testing::HasSubstr;

torch::Tensor still(double, const torch::Tensor& x) {
  return torch::zeros_like(x);
}

/// Draws a one for one row after the other, and zeros elsewhere.
class OneRowADraw {
 public:
  explicit OneRowADraw(torch::Tensor like) : like_(std::move(like)) {}
  torch::Tensor operator()() {
    torch::Tensor unit = torch::zeros_like(like_);
    unit[row_++] = 1;
    return unit;
  }

 private:
  torch::Tensor like_;
  std::int64_t row_ = 0;
};

struct Form {
  DiffusionForm name;
  double (*g)(double t, const Path& path);
};

class EveryDiffusionForm : public testing::TestWithParam<Form> {};

// At rest in 0 nothing drifts, so that a row stays 0 until its draw comes.
TEST_P(EveryDiffusionForm, SetsTheSizeOfTheNoise) {
  for (const auto kind : {PathKind::linear, PathKind::gvp}) {
    const Path path(kind);
    const SdeOptions options{.diffusion = GetParam().name, .diffusion_norm = 0.7, .points = 9, .last_step_size = 0.2};
    const torch::Tensor x = torch::zeros({8, 1}, torch::kFloat64);
    const double h = 0.8 / 8;
    solve_sde(still, x, path, options, OneRowADraw(x), [&](int index, double t, const torch::Tensor& state) {
      if (index < options.points) {
        const double before = t - h;
        EXPECT_NEAR(state[index - 1].item<double>(), std::sqrt(2 * 0.7 * GetParam().g(before, path) * h), 1e-9) << t;
      }
    });
  }
}

double sigma(double t, const Path& path) {
  return path.kind() == PathKind::linear ? 1 - t : std::cos(std::numbers::pi * t / 2);
}
double falling(double t, const Path&) {
  return 1 - t;
}
double raised_cosine(double t, const Path&) {
  return std::pow(std::cos(std::numbers::pi * t) + 1, 2) / 4;
}
double sine_squared(double t, const Path&) {
  return std::pow(std::sin(std::numbers::pi * t), 2);
}
double one(double, const Path&) {
  return 1;
}

INSTANTIATE_TEST_SUITE_P(Sde, EveryDiffusionForm,
                         testing::Values(Form{DiffusionForm::sigma, sigma}, Form{DiffusionForm::linear, falling},
                                         Form{DiffusionForm::decreasing, raised_cosine},
                                         Form{DiffusionForm::increasing_decreasing, sine_squared},
                                         Form{DiffusionForm::constant, one}),
                         [](const auto& test) {
                           std::string name = enum_name(test.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class SdeGrid : public testing::TestWithParam<SdeMethod> {
 protected:
  SdeOptions options_{.method = GetParam(), .points = 5, .last_step_size = 0.2};
  NormalData data_{PathKind::linear, 0.5};
  torch::Tensor x_ = torch::ones({2, 1}, torch::kFloat64);
};

TEST_P(SdeGrid, DrawsOnceAStepAndNotAtTheLast) {
  int draws = 0;
  std::vector<double> times;
  solve_sde([&](double t, const auto& x) { return data_.velocity(t, x); }, x_, data_.path(), options_,
            [&] {
              ++draws;
              return torch::zeros_like(x_);
            },
            [&](int index, double t, const torch::Tensor&) {
              times.push_back(t);
              EXPECT_EQ(index, static_cast<int>(times.size()));
            });
  EXPECT_EQ(draws, 4);
  ASSERT_EQ(times.size(), 5U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(times[static_cast<std::size_t>(i)], 0.2 * (i + 1), 1e-12);
  }
  EXPECT_EQ(times.back(), 1.0);
}

TEST_P(SdeGrid, LastStepFollowsDriftOrVelocity) {
  const auto velocity = [&](double t, const torch::Tensor& x) { return data_.velocity(t, x); };
  const auto run = [&](SdeLastStep last_step) {
    options_.last_step = last_step;
    std::vector<torch::Tensor> states;
    solve_sde(
        velocity, x_, data_.path(), options_, [&] { return torch::full_like(x_, 0.3); },
        [&](int, double, const torch::Tensor& state) { states.push_back(state); });
    return std::pair(states[states.size() - 2], states.back());
  };
  const auto [before, along_velocity] = run(SdeLastStep::euler);
  const torch::Tensor v = velocity(0.8, before);
  EXPECT_TRUE(is_close(along_velocity, before + 0.2 * v, 1e-12));
  const auto [same, along_drift] = run(SdeLastStep::mean);
  EXPECT_TRUE(torch::equal(same, before));
  const torch::Tensor score = -before / data_.variance(0.8);
  EXPECT_TRUE(is_close(along_drift, before + 0.2 * (v + 0.2 * score), 1e-12));  // g = sigma = 0.2
}

INSTANTIATE_TEST_SUITE_P(Sde, SdeGrid, testing::Values(SdeMethod::euler, SdeMethod::heun),
                         [](const auto& test) { return enum_name(test.param); });

TEST(SolveSde, RunsToTheEndWithoutALastStep) {
  const NormalData data(PathKind::linear, 0.5);
  const torch::Tensor x = torch::ones({1, 1}, torch::kFloat64);
  std::vector<double> times;
  const torch::Tensor end =
      solve_sde([&](double t, const auto& state) { return data.velocity(t, state); }, x, data.path(),
                {.points = 11, .last_step = SdeLastStep::none}, [&] { return torch::zeros_like(x); },
                [&](int, double t, const torch::Tensor&) { times.push_back(t); });
  EXPECT_TRUE(end.isfinite().all().item<bool>());
  ASSERT_EQ(times.size(), 10U);
  EXPECT_NEAR(times.back(), 1.0, 1e-12);
}

TEST(SdeOptions, ValueOutOfRangeIsNamed) {
  const auto refusal = [](const SdeOptions& options) { return thrown<UsageError>([&] { options.check(); }); };
  EXPECT_THAT(refusal({.diffusion_norm = -1}), HasSubstr("diffusion norm"));
  EXPECT_THAT(refusal({.diffusion_norm = std::numeric_limits<double>::infinity()}), HasSubstr("diffusion norm"));
  EXPECT_THAT(refusal({.points = 1}), HasSubstr("2 to 100000 points, not 1"));
  EXPECT_THAT(refusal({.last_step_size = 1.0}), HasSubstr("shorter than 1"));
  EXPECT_THAT(refusal({.last_step_size = 0.0}), HasSubstr("longer than 0"));
  EXPECT_THAT(refusal({.method = SdeMethod::heun, .last_step = SdeLastStep::none}),
              HasSubstr("heun needs a last step"));
}

}  // namespace
}  // namespace fmboost
