#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/train/options.h"

#include "published_schedules.h"

namespace fmboost::test {
namespace {

TEST(LrSchedule, WarmUpMatchesThePublishedSchedule) {
  const LrScheduleOptions options;
  const auto expected = published_schedule("warmup");
  ASSERT_EQ(expected.size(), 6);
  for (const auto& [step, factor] : expected) {
    EXPECT_DOUBLE_EQ(options.factor(step, 100000), factor) << step;
  }
}

TEST(LrSchedule, IsConstantAfterTheWarmUp) {
  const LrScheduleOptions options{.shape = "constant", .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(options.factor(10, 20), 1.0);
  EXPECT_DOUBLE_EQ(options.factor(1000, 20), 1.0);
}

TEST(LrSchedule, CosineFallsFromOneToItsFinalFactor) {
  const LrScheduleOptions options{.shape = "cosine", .warmup_steps = 10, .final_factor = 0.1};
  EXPECT_DOUBLE_EQ(options.factor(5, 110), 0.5);
  EXPECT_DOUBLE_EQ(options.factor(10, 110), 1.0);
  EXPECT_DOUBLE_EQ(options.factor(35, 110), 0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5)));
  EXPECT_DOUBLE_EQ(options.factor(60, 110), 0.55);
  EXPECT_DOUBLE_EQ(options.factor(110, 110), 0.1);
  EXPECT_DOUBLE_EQ(options.factor(500, 110), 0.1);
}

TEST(LrSchedule, StartsAtOneWithoutWarmUp) {
  EXPECT_DOUBLE_EQ((LrScheduleOptions{.warmup_steps = 0}.factor(0, 10)), 1.0);
}

TEST(LrSchedule, OptionsOutOfRangeAreRefused) {
  EXPECT_THROW(LrScheduleOptions{.shape = "linear"}.check(), UsageError);
  EXPECT_THROW(LrScheduleOptions{.warmup_steps = -1}.check(), UsageError);
  EXPECT_THROW(LrScheduleOptions{.final_factor = 1.5}.check(), UsageError);
}

}  // namespace
}  // namespace fmboost::test
