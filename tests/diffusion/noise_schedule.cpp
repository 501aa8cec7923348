#include "fmboost/diffusion/noise_schedule.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::HasSubstr;

// The product of 1 - beta up to t, in float64.
double product(const NoiseScheduleOptions& options, int t) {
  double result = 1;
  const bool scaled = options.beta_schedule == BetaSchedule::scaled_linear;
  const double start = scaled ? std::sqrt(options.beta_start) : options.beta_start;
  const double end = scaled ? std::sqrt(options.beta_end) : options.beta_end;
  for (int i = 0; i <= t; ++i) {
    const double root = start + (end - start) * i / (options.train_steps - 1);
    result *= 1 - (scaled ? root * root : root);
  }
  return result;
}

TEST(NoiseSchedule, AlphaBarIsTheCumulativeProduct) {
  for (const auto form : {BetaSchedule::scaled_linear, BetaSchedule::linear}) {
    const NoiseScheduleOptions options{.beta_schedule = form};
    const NoiseSchedule schedule(options);
    EXPECT_EQ(schedule.train_steps(), 1000);
    ASSERT_EQ(schedule.alphas_bar().size(), 1000U);
    for (const int t : {0, 1, 250, 500, 999}) {
      EXPECT_NEAR(schedule.alpha_bar(t), product(options, t), 2e-5 * product(options, t))
          << enum_name(form) << " " << t;
    }
  }
}

TEST(NoiseSchedule, RescaledSchedulesLeaveNoSignalAtTheEnd) {
  const NoiseSchedule plain({});
  const NoiseSchedule rescaled({.rescale_betas_zero_snr = true});
  EXPECT_NEAR(rescaled.alpha_bar(0), plain.alpha_bar(0), 1e-6);
  EXPECT_EQ(rescaled.alpha_bar(999), 0);
  // Equation of algorithm 1 in float64.
  const double first = std::sqrt(plain.alpha_bar(0));
  const double last = std::sqrt(plain.alpha_bar(999));
  for (const int t : {1, 250, 500, 998}) {
    const double root = (std::sqrt(plain.alpha_bar(t)) - last) * first / (first - last);
    EXPECT_NEAR(rescaled.alpha_bar(t), root * root, 1e-4 * root * root + 1e-9) << t;
  }
  EXPECT_NEAR(rescaled.sigmas().back(), 4096, 0.01);  // sqrt(2^24 - 1)
}

TEST(NoiseSchedule, GoesFromCleanToNoisy) {
  const NoiseSchedule schedule({});
  const auto& bars = schedule.alphas_bar();
  EXPECT_TRUE(std::is_sorted(bars.rbegin(), bars.rend()));
  const auto sigmas = schedule.sigmas();
  EXPECT_TRUE(std::is_sorted(sigmas.begin(), sigmas.end()));
  for (std::size_t t = 0; t < bars.size(); t += 111) {
    EXPECT_NEAR(sigmas[t] * sigmas[t], 1 / bars[t] - 1, 1e-9 * (1 + sigmas[t] * sigmas[t]));
  }
  EXPECT_NEAR(sigmas.front(), 0.0292, 1e-4);  // Stable Diffusion's, as k-diffusion lists them
  EXPECT_NEAR(sigmas.back(), 14.6146, 1e-3);
}

TEST(NoiseSchedule, FinalLevelDefaultsToTheFirst) {
  const NoiseSchedule usual({});
  EXPECT_EQ(usual.final_alpha_bar(), usual.alpha_bar(0));
  EXPECT_EQ(NoiseSchedule({.set_alpha_to_one = true}).final_alpha_bar(), 1.0);
}

TEST(NoiseSchedule, ParsesDiffusersNames) {
  EXPECT_EQ(parse_enum<Prediction>("epsilon"), Prediction::epsilon);
  EXPECT_EQ(parse_enum<Prediction>("v_prediction"), Prediction::v);
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<Prediction>("sample"); }), HasSubstr("'sample': use epsilon or v_"));
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<BetaSchedule>("cosine"); }), HasSubstr("beta schedule 'cosine'"));
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<TimestepSpacing>("even"); }), HasSubstr("timestep spacing 'even'"));
}

TEST(NoiseSchedule, FieldOutOfRangeIsNamed) {
  const auto refusal = [](const NoiseScheduleOptions& options) {
    return thrown<UsageError>([&] { NoiseSchedule schedule(options); });
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refusal({.beta_start = 0}), HasSubstr("beta_start"));
  EXPECT_THAT(refusal({.beta_start = kNan}), HasSubstr("beta_start"));
  EXPECT_THAT(refusal({.beta_start = 0.02}), HasSubstr("beta_start <= beta_end"));
  EXPECT_THAT(refusal({.beta_end = 1.0}), HasSubstr("beta_end < 1"));
  EXPECT_THAT(refusal({.train_steps = 1}), HasSubstr("train_steps"));
  EXPECT_THAT(refusal({.steps_offset = -1}), HasSubstr("steps_offset"));
  EXPECT_THAT(refusal({.original_steps = 1001}), HasSubstr("original_steps"));
  EXPECT_THAT(refusal({.timestep_scaling = 0}), HasSubstr("timestep_scaling"));
}

TEST(NoiseSchedule, ScheduleWithoutSignalIsRefused) {
  EXPECT_THAT(thrown<UsageError>([] { NoiseSchedule({.beta_start = 0.5, .beta_end = 0.9}); }), HasSubstr("no signal"));
}

}  // namespace
}  // namespace fmboost
