#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/diffusion/sampler.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<double> timesteps(const std::string& name, int steps, const NoiseScheduleOptions& schedule = {},
                              bool karras = false) {
  return make_sampler({.name = name, .steps = steps, .karras = karras}, NoiseSchedule(schedule))->timesteps();
}

TEST(Timesteps, LeadingAreMultiplesPlusTheOffset) {
  EXPECT_THAT(timesteps("ddim", 4), ElementsAre(750, 500, 250, 0));
  EXPECT_THAT(timesteps("ddim", 4, {.steps_offset = 1}), ElementsAre(751, 501, 251, 1));
  EXPECT_THAT(timesteps("ddim", 3), ElementsAre(666, 333, 0));
}

TEST(Timesteps, TrailingStartAtTheLastStep) {
  const NoiseScheduleOptions trailing{.timestep_spacing = TimestepSpacing::trailing};
  EXPECT_THAT(timesteps("ddim", 4, trailing), ElementsAre(999, 749, 499, 249));
  // 1000 - 62.5 is rounded half to even
  EXPECT_THAT(timesteps("ddim", 16, trailing)[1], 937);
  EXPECT_THAT(timesteps("ddim", 16, trailing)[3], 811);
}

TEST(Timesteps, LinspaceSpansTheSchedule) {
  const NoiseScheduleOptions linspace{.timestep_spacing = TimestepSpacing::linspace};
  EXPECT_THAT(timesteps("ddim", 4, linspace), ElementsAre(999, 666, 333, 0));
  EXPECT_THAT(timesteps("euler", 3), ElementsAre(999, 499.5, 0));
  EXPECT_THAT(timesteps("dpm++2m", 3), ElementsAre(999, 666, 333));
}

TEST(Timesteps, LcmUsesThoseOfItsTeacher) {
  EXPECT_THAT(timesteps("lcm", 4), ElementsAre(999, 759, 499, 259));
  EXPECT_THAT(timesteps("lcm", 1), ElementsAre(999));
  EXPECT_EQ(timesteps("lcm", 50).back(), 19);
  EXPECT_THAT(timesteps("lcm", 2, {.original_steps = 10}), ElementsAre(999, 499));
}

struct Spacing {
  const char* sampler;
  std::optional<TimestepSpacing> spacing;
  bool karras = false;
};

class EverySpacing : public testing::TestWithParam<Spacing> {};

TEST_P(EverySpacing, GivesTheRequestedNumberInDescendingOrder) {
  const auto& [sampler, spacing, karras] = GetParam();
  for (int steps = 1; steps <= 999; steps += steps < 130 ? 1 : 23) {
    if (std::string(sampler) == "lcm" && steps > 50) {
      break;
    }
    const auto times = timesteps(sampler, steps, {.timestep_spacing = spacing}, karras);
    ASSERT_EQ(times.size(), static_cast<std::size_t>(steps)) << steps;
    ASSERT_TRUE(std::is_sorted(times.rbegin(), times.rend())) << steps;
    ASSERT_LE(times.front(), 999) << steps;
    ASSERT_GE(times.back(), 0) << steps;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Timesteps, EverySpacing,
    testing::Values(Spacing{"ddim", TimestepSpacing::leading}, Spacing{"ddim", TimestepSpacing::trailing},
                    Spacing{"ddim", TimestepSpacing::linspace}, Spacing{"euler", TimestepSpacing::leading},
                    Spacing{"euler", TimestepSpacing::trailing}, Spacing{"euler", TimestepSpacing::linspace},
                    Spacing{"euler", TimestepSpacing::linspace, true},
                    Spacing{"euler", TimestepSpacing::trailing, true}, Spacing{"euler-a", TimestepSpacing::trailing},
                    Spacing{"dpm++2m", TimestepSpacing::leading}, Spacing{"dpm++2m", TimestepSpacing::trailing},
                    Spacing{"dpm++2m", TimestepSpacing::linspace}, Spacing{"dpm++2m", TimestepSpacing::linspace, true},
                    Spacing{"lcm", std::nullopt}),
    [](const auto& test) {
      const std::string name = std::string(test.param.sampler) + "_" +
                               (test.param.spacing ? enum_name(*test.param.spacing) : "") +
                               (test.param.karras ? "_karras" : "");
      std::string letters;
      std::copy_if(name.begin(), name.end(), std::back_inserter(letters),
                   [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
      return letters;
    });

// diffusers places 62 of 61 trailing timesteps, the last one at -1.
TEST(Timesteps, TrailingStayInTheScheduleDespiteRounding) {
  EXPECT_EQ(timesteps("ddim", 61, {.timestep_spacing = TimestepSpacing::trailing}).size(), 61U);
  EXPECT_EQ(timesteps("ddim", 61, {.timestep_spacing = TimestepSpacing::trailing}).back(), 15);
}

TEST(Timesteps, LeadingBeyondTheScheduleAreRefused) {
  const auto refusal = [](const std::string& name, int steps, int offset) {
    return thrown<UsageError>(
        [&] { timesteps(name, steps, {.timestep_spacing = TimestepSpacing::leading, .steps_offset = offset}); });
  };
  EXPECT_THAT(refusal("ddim", 1000, 1), HasSubstr("an offset of 1; use fewer"));
  EXPECT_THAT(refusal("ddim", 10, 100), HasSubstr("a schedule of 1000"));
  EXPECT_THAT(refusal("dpm++2m", 1000, 0), HasSubstr("use fewer"));
  EXPECT_EQ(timesteps("ddim", 1000).front(), 999);
  EXPECT_EQ(timesteps("ddim", 10, {.steps_offset = 99}).front(), 999);
}

TEST(Timesteps, CoincidingLevelsAreRefusedForDpm) {
  EXPECT_THAT(thrown<UsageError>([] { timesteps("dpm++2m", 1000); }), HasSubstr("their noise levels coincide"));
  EXPECT_EQ(timesteps("dpm++2m", 999).size(), 999U);
}

TEST(Timesteps, KarrasTimestepsMatchTheirSigmas) {
  const NoiseSchedule schedule({});
  const auto table = schedule.sigmas();
  const auto times = timesteps("euler", 5, {}, true);
  EXPECT_NEAR(times.front(), 999, 1e-3);
  EXPECT_NEAR(times.back(), 0, 1e-3);
  constexpr double kRho = 7;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double ramp = static_cast<double>(i) / 4;
    const double sigma =
        std::pow((1 - ramp) * std::pow(table.back(), 1 / kRho) + ramp * std::pow(table.front(), 1 / kRho), kRho);
    const auto low = static_cast<std::size_t>(std::min(std::floor(times[i]), 998.0));
    EXPECT_GE(sigma, table[low] * (1 - 1e-5)) << i;
    EXPECT_LE(sigma, table[low + 1] * (1 + 1e-5)) << i;
  }
}

}  // namespace
}  // namespace fmboost
