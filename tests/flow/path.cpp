#include "fmboost/flow/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::HasSubstr;

constexpr auto kFloat64 = torch::kFloat64;

class EveryPath : public testing::TestWithParam<PathKind> {
 protected:
  EveryPath() { torch::manual_seed(5); }

  torch::Tensor derivative(torch::Tensor (Path::*function)(const torch::Tensor&) const) const {
    const torch::Tensor t = t_.clone().requires_grad_(true);
    return torch::autograd::grad({(path_.*function)(t).sum()}, {t}, {}, {}, false, /*allow_unused=*/true)[0];
  }

  Path path_{GetParam()};
  torch::Tensor t_ = torch::linspace(0.05, 0.95, 7, kFloat64);
  torch::Tensor x0_ = torch::randn({7, 2, 3}, kFloat64);
  torch::Tensor x1_ = torch::randn({7, 2, 3}, kFloat64);
};

TEST_P(EveryPath, RunsFromNoiseToData) {
  const torch::Tensor ends = torch::tensor({0.0, 1.0}, kFloat64);
  EXPECT_TRUE(torch::allclose(path_.alpha(ends), ends));
  EXPECT_TRUE(torch::allclose(path_.sigma(ends), 1 - ends));
  const torch::Tensor start = path_.interpolate(torch::zeros({7}, kFloat64), x0_, x1_);
  EXPECT_TRUE(is_close(start, x0_, 1e-12));
  EXPECT_TRUE(is_close(path_.interpolate(torch::ones({7}, kFloat64), x0_, x1_), x1_, 1e-12));
}

TEST_P(EveryPath, DerivativesMatchAutograd) {
  EXPECT_TRUE(is_close(path_.alpha_derivative(t_), derivative(&Path::alpha), 1e-14));
  EXPECT_TRUE(is_close(path_.sigma_derivative(t_), derivative(&Path::sigma), 1e-14));
}

TEST_P(EveryPath, VelocityMatchesTheInterpolation) {
  constexpr double kStep = 1e-6;
  const torch::Tensor numerical =
      (path_.interpolate(t_ + kStep, x0_, x1_) - path_.interpolate(t_ - kStep, x0_, x1_)) / (2 * kStep);
  EXPECT_TRUE(is_close(path_.velocity(t_, x0_, x1_), numerical, 1e-8));
}

TEST_P(EveryPath, VelocityGivesNoiseAndScore) {
  const torch::Tensor x = path_.interpolate(t_, x0_, x1_);
  const torch::Tensor v = path_.velocity(t_, x0_, x1_);
  EXPECT_TRUE(is_close(path_.noise_from_velocity(t_, x, v), x0_, 1e-11));
  const torch::Tensor sigma = path_.sigma(t_).reshape({7, 1, 1});
  EXPECT_TRUE(is_close(path_.score_from_velocity(t_, x, v), -x0_ / sigma, 1e-11));
}

// For data of deviation s, x_t is normal with variance alpha^2 s^2 + sigma^2, whose score is -x / variance.
TEST_P(EveryPath, ScoreOfNormalDataMatchesTheFormula) {
  constexpr double kVariance = 0.3 * 0.3;
  const torch::Tensor alpha = path_.alpha(t_).reshape({7, 1, 1});
  const torch::Tensor sigma = path_.sigma(t_).reshape({7, 1, 1});
  const torch::Tensor variance = alpha * alpha * kVariance + sigma * sigma;
  const torch::Tensor change = alpha * path_.alpha_derivative(t_).reshape({7, 1, 1}) * kVariance +
                               sigma * path_.sigma_derivative(t_).reshape({7, 1, 1});
  const torch::Tensor v = change / variance * x0_;
  EXPECT_TRUE(is_close(path_.score_from_velocity(t_, x0_, v), -x0_ / variance, 1e-11));
}

TEST_P(EveryPath, KeepsTheDtypeOfItsInput) {
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
    const torch::Tensor t = torch::full({7}, 0.5);
    const torch::Tensor x = x0_.to(dtype);
    EXPECT_EQ(path_.interpolate(t, x, x).scalar_type(), dtype);
    EXPECT_EQ(path_.velocity(t, x, x).scalar_type(), dtype);
    EXPECT_EQ(path_.score_from_velocity(t, x, x).scalar_type(), dtype);
  }
}

TEST_P(EveryPath, AcceptsOneTimePerSample) {
  const torch::Tensor x = path_.interpolate(t_, x0_, x1_);
  const torch::Tensor third = path_.interpolate(t_.slice(0, 2, 3), x0_.slice(0, 2, 3), x1_.slice(0, 2, 3));
  EXPECT_TRUE(torch::equal(x.slice(0, 2, 3), third));
}

INSTANTIATE_TEST_SUITE_P(Flow, EveryPath, testing::Values(PathKind::linear, PathKind::gvp),
                         [](const auto& test) { return enum_name(test.param); });

TEST(Path, IsKnownByName) {
  for (const auto kind : {PathKind::linear, PathKind::gvp}) {
    EXPECT_EQ(parse_enum<PathKind>(enum_name(kind)), kind);
    EXPECT_EQ(Path(kind).kind(), kind);
  }
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<PathKind>("vp"); }),
              HasSubstr("unknown path 'vp': use linear or gvp"));
}

TEST(Path, SigmaMinAddsNoise) {
  const Path path(PathKind::linear, 0.25);
  const torch::Tensor t = torch::full({1}, 0.5);
  const torch::Tensor x = path.interpolate(t, torch::zeros({1, 2}), torch::ones({1, 2}), torch::full({1, 2}, 2.0));
  EXPECT_TRUE(torch::allclose(x, torch::full({1, 2}, 0.5 + 0.25 * 2)));
}

TEST(Path, SigmaMinIsLimitedToTheLinearPath) {
  EXPECT_THAT(thrown<UsageError>([] { Path(PathKind::gvp, 0.1); }), HasSubstr("sigma_min"));
  EXPECT_THAT(thrown<UsageError>([] { Path(PathKind::linear, -0.1); }), HasSubstr("at least 0"));
}

}  // namespace
}  // namespace fmboost
