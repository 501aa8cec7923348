#include "train/optimizer/ema.h"

#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "published_schedules.h"
#include "support/compare.h"

namespace fmboost::test {
namespace {

TEST(Ema, DecayMatchesThePublishedSchedule) {
  const EmaOptions options;
  const auto expected = published_schedule("ema_decay");
  ASSERT_EQ(expected.size(), 9);
  for (const auto& [update, decay] : expected) {
    EXPECT_NEAR(options.decay(update), decay, 1e-12) << update;
  }
}

TEST(Ema, UpdateCopiesFirstAndThenAverages) {
  torch::Tensor weight = torch::zeros({3});
  torch::Tensor average = torch::full({3}, 7.0);
  Ema ema({weight}, {average}, {.beta = 0.9, .update_after_step = 2});
  EXPECT_TRUE(torch::equal(average, weight));
  double expected = 0;
  for (int update = 1; update <= 6; ++update) {
    weight.fill_(update);
    ema.update();
    const double decay = update <= 3 ? 0 : std::min(0.9, 1 - std::pow(update - 2.0, -0.75));
    expected = decay * expected + (1 - decay) * update;
    EXPECT_TRUE(is_close(average, torch::full({3}, expected), 1e-6)) << update;
  }
  EXPECT_EQ(ema.updates(), 6);
}

TEST(Ema, UpdatesInBetweenAreSkipped) {
  torch::Tensor weight = torch::zeros({1});
  torch::Tensor average = torch::zeros({1});
  Ema ema({weight}, {average}, {.update_after_step = 100, .update_every = 3});
  std::vector<double> seen;
  for (int update = 1; update <= 7; ++update) {
    weight.fill_(update);
    ema.update();
    seen.push_back(average.item<double>());
  }
  EXPECT_EQ(seen, (std::vector<double>{1, 1, 1, 4, 4, 4, 7}));
}

TEST(Ema, OptionsOutOfRangeAreRefused) {
  EXPECT_THROW(EmaOptions{.beta = 1.0}.check(), UsageError);
  EXPECT_THROW(EmaOptions{.update_after_step = -1}.check(), UsageError);
  EXPECT_THROW(EmaOptions{.update_every = 0}.check(), UsageError);
  EXPECT_THROW(EmaOptions{.power = 0}.check(), UsageError);
}

}  // namespace
}  // namespace fmboost::test
