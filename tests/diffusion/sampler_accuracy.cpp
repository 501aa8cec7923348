#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "fmboost/diffusion/sampler.h"

#include "support/compare.h"
#include "support/error_slope.h"

namespace fmboost {
namespace {

// Images of one pixel, normal around kMean: the best denoiser and the probability flow are known in closed form.
constexpr double kMean = 0.7;
constexpr double kDeviation = 0.4;

/// alpha and sigma of the variance-preserving form at a timestep, and the deviation of the noised images there.
struct Level {
  explicit Level(double alpha_bar)
      : alpha(std::sqrt(alpha_bar)),
        sigma(std::sqrt(1 - alpha_bar)),
        deviation(std::sqrt(alpha_bar * kDeviation * kDeviation + 1 - alpha_bar)) {}
  double alpha, sigma, deviation;
};

const NoiseSchedule& default_schedule() {
  static const NoiseSchedule stable_diffusion({});
  return stable_diffusion;
}

// At fractional timesteps the noise levels are interpolated, as the samplers do.
Level noise_level_at(double t) {
  static const std::vector<double> sigmas = default_schedule().sigmas();
  const auto low = static_cast<std::size_t>(std::min(std::floor(t), 998.0));
  const double sigma = sigmas[low] + (t - static_cast<double>(low)) * (sigmas[low + 1] - sigmas[low]);
  return Level(1 / (1 + sigma * sigma));
}

torch::Tensor best_prediction(const torch::Tensor& x, const Level& level, Prediction prediction) {
  const torch::Tensor noise = level.sigma * (x - level.alpha * kMean) / (level.deviation * level.deviation);
  const torch::Tensor image = (x - level.sigma * noise) / level.alpha;
  return prediction == Prediction::epsilon ? noise : level.alpha * noise - level.sigma * image;
}

// The noise levels after Karras et al., equation 5; the timesteps that samplers ask at are rounded.
Level karras_level(int index, int steps) {
  static const std::vector<double> sigmas = default_schedule().sigmas();
  const double ramp = static_cast<double>(index) / (steps - 1);
  const double sigma =
      std::pow((1 - ramp) * std::pow(sigmas.back(), 1 / 7.0) + ramp * std::pow(sigmas.front(), 1 / 7.0), 7.0);
  return Level(1 / (1 + sigma * sigma));
}

torch::Tensor zeros_like_start() {
  return torch::zeros({3, 1, 1, 1}, torch::kFloat64);
}

struct Method {
  const char* name;
  bool karras;
  int order;
};

class FlowSampler : public testing::TestWithParam<Method> {
 protected:
  std::unique_ptr<Sampler> make(int steps, Prediction prediction) const {
    return make_sampler(
        {.name = GetParam().name, .steps = steps, .karras = GetParam().karras, .prediction = prediction},
        default_schedule());
  }

  Level level_of(const Sampler& sampler, int index) const {
    const auto place = static_cast<std::size_t>(index);
    return GetParam().karras ? karras_level(index, static_cast<int>(sampler.timesteps().size()))
                             : noise_level_at(sampler.timesteps()[place]);
  }

  // All samples after the first, in the variance-preserving form.
  std::vector<torch::Tensor> sample(int steps, Prediction prediction) const {
    const auto sampler = make(steps, prediction);
    const bool exploding = sampler->init_noise_sigma() != 1.0;
    const Level first = level_of(*sampler, 0);
    const torch::Tensor start = first.alpha * kMean + first.deviation * deviations();
    int index = 0;
    const auto denoise = [&](const torch::Tensor& x, double) {
      return best_prediction(x, level_of(*sampler, index++), prediction);
    };
    std::vector<torch::Tensor> samples;
    sampler->sample(exploding ? start / first.alpha : start, denoise, zeros_like_start, [&](const SamplerStep& step) {
      const bool last = step.index + 1 == step.total;
      const double alpha = exploding && !last ? level_of(*sampler, step.index + 1).alpha : 1;
      samples.push_back(step.sample * alpha);
    });
    return samples;
  }

  // The probability flow keeps images at their number of deviations from the mean.
  static double error(const torch::Tensor& sample, const Level& level) {
    const torch::Tensor exact = level.alpha * kMean + level.deviation * deviations();
    return (sample - exact).abs().max().item<double>();
  }
  static torch::Tensor deviations() { return torch::tensor({-2.0, 0.5, 2.0}, torch::kFloat64).reshape({3, 1, 1, 1}); }
};

// Two thirds of the way: the noise levels' last steps do not shrink as their number grows. These numbers of steps
// divide 999, so that rounding leaves the timesteps even.
TEST_P(FlowSampler, ConvergesToTheProbabilityFlowWithItsOrder) {
  std::vector<double> lengths;
  std::vector<double> errors;
  for (const int steps : {9, 27, 111, 333}) {
    const int index = steps * 2 / 3;
    const auto samples = sample(steps, Prediction::epsilon);
    lengths.push_back(1.0 / steps);
    errors.push_back(
        error(samples[static_cast<std::size_t>(index) - 1], level_of(*make(steps, Prediction::epsilon), index)));
  }
  const double order = test::error_slope(lengths, errors);
  EXPECT_GT(order, GetParam().order - 0.2);
  EXPECT_LT(order, GetParam().order + 0.2);
}

TEST_P(FlowSampler, ResultIsNearThatOfTheFlow) {
  const Level last = std::string(GetParam().name) == "ddim" ? Level(default_schedule().final_alpha_bar()) : Level(1.0);
  const double found = error(sample(80, Prediction::epsilon).back(), last);
  EXPECT_LT(found, 0.05);
  EXPECT_GT(found, 1e-5);
}

TEST_P(FlowSampler, PredictionTypeDoesNotChangeTheResult) {
  EXPECT_TRUE(test::is_close(sample(6, Prediction::v).back(), sample(6, Prediction::epsilon).back(), 1e-9));
}

INSTANTIATE_TEST_SUITE_P(Diffusion, FlowSampler,
                         testing::Values(Method{"ddim", false, 1}, Method{"euler", false, 1}, Method{"euler", true, 1},
                                         Method{"dpm++2m", false, 2}, Method{"dpm++2m", true, 2}),
                         [](const auto& test) {
                           const std::string name = test.param.name;
                           return (name == "dpm++2m" ? "dpmpp_2m" : name) + (test.param.karras ? "_karras" : "");
                         });

// Every sample is linear in the start and in each draw: following each of them alone gives the exact variance.
TEST(AncestralSampler, ResultsHaveTheRightVariance) {
  std::vector<double> lengths;
  std::vector<double> errors;
  for (const int steps : {25, 50, 100, 200}) {
    const auto sampler = make_sampler({.name = "euler-a", .steps = steps}, default_schedule());
    const Level first = noise_level_at(sampler->timesteps().front());
    torch::Tensor start = torch::zeros({steps + 1, 1, 1, 1}, torch::kFloat64);
    start[steps] = first.deviation / first.alpha;
    std::int64_t draw = 0;
    const auto linear_part = [](const torch::Tensor& x, double t) {
      const Level level = noise_level_at(t);
      return level.sigma * x / (level.deviation * level.deviation);
    };
    const torch::Tensor parts = sampler->sample(start, linear_part, [&] {
      torch::Tensor unit = torch::zeros_like(start);
      unit[draw++] = 1;
      return unit;
    });
    lengths.push_back(1.0 / steps);
    errors.push_back(std::abs(parts.square().sum().item<double>() - kDeviation * kDeviation));
  }
  const double order = test::error_slope(lengths, errors);
  EXPECT_GT(order, 0.5);
  EXPECT_LT(order, 1.2);
  EXPECT_LT(errors.back(), 0.02);
  EXPECT_GT(errors.back(), 1e-4);
}

}  // namespace
}  // namespace fmboost
