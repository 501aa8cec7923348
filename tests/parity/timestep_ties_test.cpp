#include <gmock/gmock.h>

#include "fmboost/diffusion/sampler.h"

// Where a timestep lies half way between two whole numbers, the last bit of numpy's linspace and arange decides. The
// numbers are those of diffusers 0.42.

namespace fmboost::parity {
namespace {

using testing::ElementsAre;

std::vector<double> timesteps(const char* sampler, int steps, const char* spacing, const std::vector<int>& places) {
  NoiseScheduleOptions schedule;
  schedule.timestep_spacing = parse_enum<TimestepSpacing>(spacing);
  const auto all = make_sampler({.name = sampler, .steps = steps}, NoiseSchedule(schedule))->timesteps();
  std::vector<double> chosen;
  for (const int place : places) {
    chosen.push_back(all.at(static_cast<std::size_t>(place)));
  }
  return chosen;
}

TEST(TimestepTies, LinspaceRoundsTiesAsNumpy) {
  EXPECT_THAT(timesteps("dpm++2m", 30, "linspace", {14, 15, 16}), ElementsAre(533, 499, 466));
  EXPECT_THAT(timesteps("ddim", 27, "linspace", {12, 13, 14}), ElementsAre(538, 499, 461));
}

TEST(TimestepTies, TrailingRoundsTiesAsNumpy) {
  EXPECT_THAT(timesteps("ddim", 48, "trailing", {3, 15, 27, 39}), ElementsAre(936, 686, 436, 186));
}

}  // namespace
}  // namespace fmboost::parity
