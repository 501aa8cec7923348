#include <cmath>
#include <gtest/gtest.h>

#include "fmboost/core/random.h"
#include "fmboost/flow/sde_solver.h"

#include "normal_data.h"
#include "support/error_slope.h"

namespace fmboost {
namespace {

using test::error_slope;
using test::NormalData;

constexpr double kEnd = 0.96;  // of the grid

struct Case {
  SdeMethod method;
  DiffusionForm diffusion;
  PathKind path;
};

class SdeAccuracy : public testing::TestWithParam<Case> {
 protected:
  NormalData data_{GetParam().path, 0.5};

  SdeOptions options(int points, double norm = 1) const {
    return {.method = GetParam().method, .diffusion = GetParam().diffusion, .diffusion_norm = norm, .points = points};
  }

  // The state at the grid's end, before the last step.
  torch::Tensor solve(const torch::Tensor& x, const SdeOptions& options,
                      const std::function<torch::Tensor()>& noise) const {
    torch::Tensor result;
    solve_sde([&](double t, const torch::Tensor& state) { return data_.velocity(t, state); }, x, data_.path(), options,
              noise,
              [&](int index, double, const torch::Tensor& state) {
                if (index == options.points - 1) {
                  result = state;
                }
              });
    return result;
  }

  // Everything is linear in the start and in each draw; following each of them alone gives the variance exactly.
  double variance(int points) const {
    torch::Tensor start = torch::zeros({points, 1}, torch::kFloat64);
    start[points - 1] = 1;
    std::int64_t draw = 0;
    return solve(start, options(points),
                 [&] {
                   torch::Tensor unit = torch::zeros_like(start);
                   unit[draw++] = 1;
                   return unit;
                 })
        .square()
        .sum()
        .item<double>();
  }
};

// Both are of order 1 in distribution: heun, too, adds its noise apart from the drift.
TEST_P(SdeAccuracy, KeepsTheVarianceOfThePath) {
  std::vector<double> lengths;
  std::vector<double> errors;
  for (const int points : {51, 101, 201, 401}) {
    lengths.push_back(kEnd / (points - 1));
    errors.push_back(std::abs(variance(points) - data_.variance(kEnd)));
  }
  const double order = error_slope(lengths, errors);
  EXPECT_GT(order, 0.85);
  EXPECT_LT(order, 1.15);
  EXPECT_LT(errors.back(), 0.02 * data_.variance(kEnd));
}

// One Brownian path, sampled at different steps, against itself at very small ones. The noise does not depend on the
// state, which makes Euler-Maruyama of order 1.
TEST_P(SdeAccuracy, ConvergesPathwiseWithOrderOne) {
  constexpr int kFinest = 2048;
  auto generator = cpu_generator(12);
  const torch::Tensor fine = gaussian_noise({kFinest, 64, 1}, generator).to(torch::kFloat64);
  const torch::Tensor start = gaussian_noise({64, 1}, generator).to(torch::kFloat64);
  const auto run = [&](int steps) {
    int step = 0;
    const int stride = kFinest / steps;
    return solve(start, options(steps + 1), [&] {
      const torch::Tensor part = fine.slice(0, step * stride, (step + 1) * stride);
      ++step;
      return part.sum(0) / std::sqrt(stride);
    });
  };
  const torch::Tensor reference = run(kFinest);
  std::vector<double> lengths;
  std::vector<double> errors;
  for (const int steps : {16, 32, 64, 128}) {
    lengths.push_back(1.0 / steps);
    errors.push_back((run(steps) - reference).square().mean().sqrt().item<double>());
  }
  const double order = error_slope(lengths, errors);
  EXPECT_GT(order, 0.75);
  EXPECT_LT(order, 1.35);
}

TEST_P(SdeAccuracy, ZeroDiffusionGivesAnOdeSolverOfTheOrder) {
  const int order = GetParam().method == SdeMethod::heun ? 2 : 1;
  std::vector<double> lengths;
  std::vector<double> errors;
  const torch::Tensor x = torch::ones({1, 1}, torch::kFloat64);
  for (const int points : {11, 21, 41, 81}) {
    const torch::Tensor end = solve(x, options(points, 0), [&] { return torch::ones_like(x); });
    lengths.push_back(kEnd / (points - 1));
    errors.push_back(std::abs(end.item<double>() - std::sqrt(data_.variance(kEnd))));
  }
  EXPECT_NEAR(error_slope(lengths, errors), order, 0.25);
}

INSTANTIATE_TEST_SUITE_P(Sde, SdeAccuracy,
                         testing::Values(Case{SdeMethod::euler, DiffusionForm::sigma, PathKind::linear},
                                         Case{SdeMethod::euler, DiffusionForm::constant, PathKind::gvp},
                                         Case{SdeMethod::heun, DiffusionForm::decreasing, PathKind::linear},
                                         Case{SdeMethod::heun, DiffusionForm::constant, PathKind::gvp}),
                         [](const auto& test) {
                           return enum_name(test.param.method) + "_" + enum_name(test.param.path);
                         });

TEST(SolveSde, DrawsSamplesOfTheData) {
  const NormalData data(PathKind::linear, 0.5);
  auto generator = cpu_generator(3);
  const std::vector<std::int64_t> shape{20000, 1};
  for (const auto method : {SdeMethod::euler, SdeMethod::heun}) {
    const torch::Tensor samples = solve_sde(
        [&](double t, const torch::Tensor& x) { return data.velocity(t, x); }, gaussian_noise(shape, generator),
        data.path(), {.method = method, .points = 100}, [&] { return gaussian_noise(shape, generator); });
    EXPECT_NEAR(samples.mean().item<double>(), 0, 0.015) << enum_name(method);
    EXPECT_NEAR(samples.std().item<double>(), 0.5, 0.015) << enum_name(method);
    const torch::Tensor standard = samples / 0.5;
    EXPECT_NEAR(standard.pow(4).mean().item<double>(), 3, 0.2) << enum_name(method);  // a normal distribution's
  }
}

// Data of deviation 0.5 around 3, started from normal values around 2 with deviation 0.4: x0 = 2 + 0.4 noise.
TEST(SolveSde, StartAroundAMeanGivesSamplesOfTheData) {
  constexpr double kMean = 2, kScale = 0.4, kDataMean = 3, kDataDeviation = 0.5;
  auto generator = cpu_generator(4);
  const std::vector<std::int64_t> shape{20000, 1};
  // The expected u_t = x1 - x0 given x_t = t x1 + (1 - t) x0, for independent normal x0 and x1.
  const auto velocity = [&](double t, const torch::Tensor& x) {
    const double start = std::pow((1 - t) * kScale, 2), end = std::pow(t * kDataDeviation, 2);
    const double slope = (t * kDataDeviation * kDataDeviation - (1 - t) * kScale * kScale) / (start + end);
    return (kDataMean - kMean) + slope * (x - t * kDataMean - (1 - t) * kMean);
  };
  for (const auto form : {DiffusionForm::sigma, DiffusionForm::decreasing}) {
    const torch::Tensor noise = gaussian_noise(shape, generator);
    const GaussianStart start{.mean = torch::full(shape, kMean), .scale = kScale, .noise = noise};
    const torch::Tensor samples = solve_sde(velocity, start, Path(PathKind::linear),
                                            {.diffusion = form, .points = 100, .last_step = SdeLastStep::euler},
                                            [&] { return gaussian_noise(shape, generator); });
    EXPECT_NEAR(samples.mean().item<double>(), kDataMean, 0.015) << enum_name(form);
    EXPECT_NEAR(samples.std().item<double>(), kDataDeviation, 0.015) << enum_name(form);
    // The noise decouples the result from its start.
    const torch::Tensor pairs = torch::stack({noise.squeeze(), samples.squeeze()});
    EXPECT_LT(at::corrcoef(pairs)[0][1].item<double>(), 0.9) << enum_name(form);
  }
}

}  // namespace
}  // namespace fmboost
