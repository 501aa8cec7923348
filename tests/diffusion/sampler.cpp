#include "fmboost/diffusion/sampler.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const NoiseSchedule& schedule() {
  static const NoiseSchedule stable_diffusion({});
  return stable_diffusion;
}

torch::Tensor no_noise() {
  ADD_FAILURE() << "noise was drawn";
  return {};
}

torch::Tensor start() {
  return torch::linspace(-2, 2, 24).reshape({1, 1, 4, 6});
}

// Neither linear in x nor the same at every time.
torch::Tensor some_model(const torch::Tensor& x, double t) {
  return torch::sin(x) * (0.5 + t / 1000);
}

TEST(MakeSampler, KnowsItsNames) {
  EXPECT_THAT(sampler_names(), ElementsAre("lcm", "tcd", "ddim", "euler", "euler-a", "dpm++2m"));
  EXPECT_THAT(thrown<UsageError>([] { make_sampler({.name = "plms"}, schedule()); }),
              AllOf(HasSubstr("unknown sampler 'plms'"), HasSubstr("use lcm, tcd, ddim, euler, euler-a or dpm++2m")));
}

TEST(MakeSampler, StepsMustBeWithinTheSchedule) {
  for (const int steps : {-1, 0, 1001}) {
    EXPECT_THAT(thrown<UsageError>([&] { make_sampler({.name = "ddim", .steps = steps}, schedule()); }),
                HasSubstr("from 1 to 1000, not " + std::to_string(steps)));
  }
  EXPECT_THAT(thrown<UsageError>([] { make_sampler({.name = "lcm", .steps = 51}, schedule()); }),
              HasSubstr("at most the 50 steps of the schedule it was distilled from, not 51"));
}

TEST(MakeSampler, EtaIsAShare) {
  for (const double eta : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(thrown<UsageError>([&] { make_sampler({.name = "tcd", .steps = 4, .eta = eta}, schedule()); }),
                HasSubstr("`eta` must be from 0 to 1"));
  }
  EXPECT_FALSE(make_sampler({.name = "tcd", .steps = 4, .eta = 0}, schedule())->draws_noise());
}

TEST(MakeSampler, ZeroTerminalSnrNeedsVWhereNoiseWouldBeSubtracted) {
  const NoiseSchedule zero({.timestep_spacing = TimestepSpacing::trailing, .rescale_betas_zero_snr = true});
  for (const char* name : {"ddim", "lcm", "tcd"}) {
    EXPECT_THAT(thrown<UsageError>([&] { make_sampler({.name = name, .steps = 4}, zero); }),
                AllOf(HasSubstr("zero terminal SNR"), HasSubstr("predicts v")));
    EXPECT_NO_THROW(make_sampler({.name = name, .steps = 4, .prediction = Prediction::v}, zero));
  }
  EXPECT_NO_THROW(make_sampler({.name = "euler", .steps = 4}, zero));
  EXPECT_NO_THROW(make_sampler({.name = "ddim", .steps = 4}, NoiseSchedule({.rescale_betas_zero_snr = true})));
}

TEST(StartNotice, NamesStartsFarBelowPureNoise) {
  const auto notice = [](const char* name, int steps, std::optional<TimestepSpacing> spacing = std::nullopt) {
    return start_notice({.name = name, .steps = steps}, NoiseSchedule({.timestep_spacing = spacing}));
  };
  EXPECT_THAT(notice("euler", 1),
              AllOf(HasSubstr("euler with 1 step starts at timestep 0 of 999"), HasSubstr("trailing")));
  EXPECT_THAT(notice("euler-a", 1), HasSubstr("starts at timestep 0"));
  EXPECT_THAT(notice("ddim", 600), HasSubstr("starts at timestep 599 of 999"));
  EXPECT_THAT(notice("ddim", 1), HasSubstr("starts at timestep 0"));
  for (const int steps : {4, 5, 10, 20, 25, 50, 100, 1000}) {
    EXPECT_EQ(notice("ddim", steps), "") << steps;
    EXPECT_EQ(notice("euler", steps), "") << steps;
  }
  for (const int steps : {1, 2, 8}) {
    EXPECT_EQ(notice("ddim", steps, TimestepSpacing::trailing), "");
    EXPECT_EQ(notice("euler", steps, TimestepSpacing::trailing), "");
    EXPECT_EQ(notice("tcd", steps), "");
    EXPECT_EQ(notice("lcm", steps), "");
  }
}

TEST(Samplers, StayFiniteAtTheEdgesOfTheirRange) {
  for (const auto& name : sampler_names()) {
    for (const int steps : {1, 2, 999, 1000}) {
      for (const auto spacing : {TimestepSpacing::linspace, TimestepSpacing::leading, TimestepSpacing::trailing}) {
        std::unique_ptr<Sampler> sampler;
        try {
          sampler = make_sampler({.name = name, .steps = steps}, NoiseSchedule({.timestep_spacing = spacing}));
        } catch (const UsageError& error) {
          EXPECT_GE(steps, 999) << name << ": " << error.what();
          continue;
        }
        const torch::Tensor last = sampler->sample(start(), some_model, [] { return torch::ones({1, 1, 4, 6}); });
        EXPECT_TRUE(torch::isfinite(last).all().item<bool>()) << name << " " << steps;
      }
    }
  }
}

TEST(MakeSampler, KarrasIsLimitedToSigmaSamplers) {
  for (const char* name : {"lcm", "tcd", "ddim", "euler-a"}) {
    EXPECT_THAT(thrown<UsageError>([&] { make_sampler({.name = name, .karras = true}, schedule()); }),
                HasSubstr(std::string("not with ") + name));
  }
  for (const char* name : {"euler", "dpm++2m"}) {
    EXPECT_NE(make_sampler({.name = name, .karras = true}, schedule()), nullptr);
  }
}

class EverySampler : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Sampler> make(int steps, Prediction prediction = Prediction::epsilon) const {
    return make_sampler({.name = GetParam(), .steps = steps, .prediction = prediction}, schedule());
  }
};

TEST_P(EverySampler, CallsTheModelAndTheObserverOncePerStep) {
  const auto sampler = make(5);
  std::vector<double> asked;
  std::vector<torch::Tensor> inputs;
  std::vector<SamplerStep> seen;
  const torch::Tensor last = sampler->sample(
      start(),
      [&](const torch::Tensor& x, double t) {
        asked.push_back(t);
        inputs.push_back(x);
        return some_model(x, t);
      },
      [] {
        return torch::zeros({1, 1, 4, 6});
      },
      [&](const SamplerStep& step) { seen.push_back(step); });
  EXPECT_EQ(asked, sampler->timesteps());
  ASSERT_EQ(seen.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(seen[i].index, static_cast<int>(i));
    EXPECT_EQ(seen[i].total, 5);
    EXPECT_EQ(seen[i].timestep, asked[i]);
    EXPECT_TRUE(torch::equal(seen[i].model_input, inputs[i]));
  }
  EXPECT_TRUE(torch::equal(seen.back().sample, last));
}

TEST_P(EverySampler, DrawsNoiseAsOftenAsDeclared) {
  const std::string name = GetParam();
  for (const int steps : {1, 2, 7}) {
    const auto sampler = make(steps);
    int draws = 0;
    sampler->sample(start(), some_model, [&] {
      ++draws;
      return torch::zeros({1, 1, 4, 6});
    });
    // euler-a draws at its last step as well, without weight, as diffusers does.
    const int expected = name == "lcm" || name == "tcd" ? steps - 1 : name == "euler-a" ? steps : 0;
    EXPECT_EQ(draws, expected) << steps;
    EXPECT_EQ(sampler->draws_noise(), expected > 0) << steps;
  }
}

TEST_P(EverySampler, RunsAreIndependent) {
  const auto sampler = make(4);
  const auto zeros = [] { return torch::zeros({1, 1, 4, 6}); };
  const torch::Tensor first = sampler->sample(start(), some_model, zeros);
  sampler->sample(start() * 3 + 1, some_model, zeros);
  EXPECT_TRUE(torch::equal(sampler->sample(start(), some_model, zeros), first));
}

TEST_P(EverySampler, InterruptedRunDoesNotAffectTheNext) {
  const auto sampler = make(4);
  const auto zeros = [] { return torch::zeros({1, 1, 4, 6}); };
  const torch::Tensor first = sampler->sample(start(), some_model, zeros);
  int calls = 0;
  const auto broken = [&](const torch::Tensor& x, double) -> torch::Tensor {
    if (++calls == 3) {
      throw Interrupted();
    }
    return x * 5;
  };
  EXPECT_THROW(sampler->sample(start(), broken, zeros), Interrupted);
  EXPECT_TRUE(torch::equal(sampler->sample(start(), some_model, zeros), first));
}

TEST_P(EverySampler, DoesNotChangeItsInput) {
  const torch::Tensor x = start();
  make(3)->sample(x, some_model, [] { return torch::ones({1, 1, 4, 6}); });
  EXPECT_TRUE(torch::equal(x, start()));
}

// alpha and sigma, variance-preserving, of the level that sigmas give when they are interpolated.
std::pair<double, double> level_at(double t) {
  const auto sigmas = schedule().sigmas();
  const auto low = static_cast<std::size_t>(std::min(std::floor(t), 998.0));
  const double sigma = sigmas[low] + (t - static_cast<double>(low)) * (sigmas[low + 1] - sigmas[low]);
  const double alpha = 1 / std::sqrt(1 + sigma * sigma);
  return {alpha, sigma * alpha};
}

TEST_P(EverySampler, PerfectModelGivesItsImage) {
  const torch::Tensor image = torch::cos(start() * 2);
  torch::Tensor results[2];
  for (const auto prediction : {Prediction::epsilon, Prediction::v}) {
    const auto sampler = make(8, prediction);
    const auto model = [&](const torch::Tensor& x, double t) {
      const auto [alpha, sigma] = level_at(t);
      const torch::Tensor noise = (x - alpha * image) / sigma;
      return prediction == Prediction::epsilon ? noise : alpha * noise - sigma * image;
    };
    const torch::Tensor x = start() * sampler->init_noise_sigma();
    results[prediction == Prediction::v] = sampler->sample(x, model, [] { return torch::zeros({1, 1, 4, 6}); });
  }
  EXPECT_TRUE(is_close(results[0], results[1], 1e-5));
  torch::Tensor expected = image;
  if (std::string(GetParam()) == "ddim") {
    // Its noise never changes, and it ends at the schedule's first level.
    const auto [alpha, sigma] = level_at(875);
    const auto [last_alpha, last_sigma] = level_at(0);
    expected = last_alpha * image + last_sigma * (start() - alpha * image) / sigma;
  }
  // That of TCD ends at the first level too, with a rest of a noise that changes.
  EXPECT_TRUE(is_close(results[0], expected, std::string(GetParam()) == "tcd" ? 2e-3 : 1e-4));
}

INSTANTIATE_TEST_SUITE_P(Diffusion, EverySampler, testing::Values("lcm", "tcd", "ddim", "euler", "euler-a", "dpm++2m"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name == "euler-a" ? "euler_a" : name == "dpm++2m" ? "dpmpp_2m" : name;
                         });

TEST(Sampler, InitialNoiseHasTheRightScale) {
  const auto sigma = [](const char* name, std::optional<TimestepSpacing> spacing) {
    return make_sampler({.name = name, .steps = 10}, NoiseSchedule({.timestep_spacing = spacing}))->init_noise_sigma();
  };
  for (const char* name : {"lcm", "ddim", "dpm++2m"}) {
    EXPECT_EQ(sigma(name, std::nullopt), 1.0) << name;
  }
  const double highest = schedule().sigmas().back();
  for (const char* name : {"euler", "euler-a"}) {
    EXPECT_NEAR(sigma(name, TimestepSpacing::linspace), highest, 1e-6);
    EXPECT_NEAR(sigma(name, TimestepSpacing::trailing), highest, 1e-6);
    const double at_900 = schedule().sigmas()[900];
    EXPECT_NEAR(sigma(name, TimestepSpacing::leading), std::sqrt(at_900 * at_900 + 1), 1e-6);
  }
}

TEST(Sampler, DeterministicSamplersDrawNoNoise) {
  for (const char* name : {"ddim", "euler", "dpm++2m"}) {
    make_sampler({.name = name, .steps = 3}, schedule())->sample(start(), some_model, no_noise);
  }
}

TEST(Sampler, ModelInputHasUnitVariance) {
  const auto sampler = make_sampler({.name = "euler", .steps = 3}, schedule());
  std::vector<torch::Tensor> inputs;
  sampler->sample(
      start() * sampler->init_noise_sigma(),
      [&](const torch::Tensor& x, double) {
        inputs.push_back(x);
        return torch::zeros_like(x);
      },
      no_noise);
  const double sigma = schedule().sigmas().back();
  EXPECT_TRUE(is_close(inputs.front(), start() * (sigma / std::sqrt(sigma * sigma + 1)), 1e-6));
}

TEST(Sampler, AncestralNoiseHasTheRightScale) {
  const auto sampler = make_sampler({.name = "euler-a", .steps = 3}, schedule());
  std::vector<torch::Tensor> samples;
  // With no signal and no predicted noise, a sample is the noise that was added.
  sampler->sample(
      torch::zeros({1, 1, 4, 6}), [](const torch::Tensor& x, double) { return torch::zeros_like(x); },
      [] {
        return torch::ones({1, 1, 4, 6});
      },
      [&](const SamplerStep& step) { samples.push_back(step.sample); });
  const auto table = schedule().sigmas();
  const double from = table[999];
  const double to = (table[499] + table[500]) / 2;
  const double up = std::sqrt(to * to * (from * from - to * to) / (from * from));
  EXPECT_NEAR(samples[0].mean().item<double>(), up, 1e-5);
  EXPECT_TRUE(torch::equal(samples[2], samples[1]));
}

}  // namespace
}  // namespace fmboost
