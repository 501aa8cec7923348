#include "data/images/degradation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::HasSubstr;

constexpr std::int64_t kHigh = 64;
constexpr std::int64_t kLow = 32;
constexpr int kSeeds = 60;

torch::Tensor noise_square() {
  torch::manual_seed(3);
  return torch::rand({3, kHigh, kHigh}) * 2 - 1;
}

torch::Tensor degraded(const torch::Tensor& square, const DegradationOptions& options, std::uint64_t seed) {
  return degraded_square(square, kLow, Downsampling::area, options, seed);
}

double neighbor_difference(const torch::Tensor& x) {
  return (x.slice(2, 1) - x.slice(2, 0, -1)).abs().mean().item<double>();
}

// The mean of a number over the degraded squares of many seeds.
template <typename Measure>
double mean_over_seeds(const torch::Tensor& square, const DegradationOptions& options, const Measure& measure) {
  double sum = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    sum += measure(degraded(square, options, static_cast<std::uint64_t>(seed)));
  }
  return sum / kSeeds;
}

DegradationOptions nearly_none() {
  return {.share = 1, .max_blur = 0, .max_noise = 0, .min_quality = 100, .max_quality = 100};
}

TEST(DegradedSquare, ShareZeroEqualsDownsampling) {
  const torch::Tensor square = noise_square();
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_TRUE(torch::equal(degraded(square, {}, seed), downsample_square(square, kLow, Downsampling::area)));
  }
}

TEST(DegradedSquare, ShareDecidesHowManyAreDegraded) {
  const torch::Tensor square = noise_square();
  const torch::Tensor clean = downsample_square(square, kLow, Downsampling::area);
  int changed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    changed += torch::equal(degraded(square, {.share = 0.3}, seed), clean) ? 0 : 1;
  }
  EXPECT_GT(changed, 35);  // 60 are expected; a few draws leave the square unchanged
  EXPECT_LT(changed, 85);
}

TEST(DegradedSquare, DependsOnlyOnTheSeed) {
  const torch::Tensor square = noise_square();
  const DegradationOptions options{.share = 1};
  int different = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const torch::Tensor x = degraded(square, options, seed);
    EXPECT_TRUE(torch::equal(x, degraded(square, options, seed)));
    EXPECT_LE(x.abs().max().item<float>(), 1.0F);
    EXPECT_EQ(x.sizes(), (at::IntArrayRef{3, kLow, kLow}));
    different += torch::equal(x, degraded(square, options, seed + 1)) ? 0 : 1;
  }
  EXPECT_GT(different, 15);
}

TEST(DegradedSquare, BlurSmooths) {
  const torch::Tensor square = noise_square();
  DegradationOptions blurry = nearly_none();
  blurry.max_blur = 2;
  EXPECT_LT(mean_over_seeds(square, blurry, neighbor_difference),
            0.85 * mean_over_seeds(square, nearly_none(), neighbor_difference));
}

TEST(DegradedSquare, NoiseGrowsWithBrightness) {
  DegradationOptions noisy = nearly_none();
  noisy.max_noise = 20;
  const auto spread = [](const torch::Tensor& x) { return x.std().item<double>() * 127.5; };
  const double dark = mean_over_seeds(torch::full({3, kHigh, kHigh}, -0.8), noisy, spread);
  const double medium = mean_over_seeds(torch::zeros({3, kHigh, kHigh}), noisy, spread);
  const double bright = mean_over_seeds(torch::full({3, kHigh, kHigh}, 0.8), noisy, spread);
  // Half of the squares are noisy, with 10 on average: 5 at medium gray; sqrt(0.1 + 0.5) and sqrt(0.9 + 0.5) of it.
  EXPECT_NEAR(medium, 5, 2);
  EXPECT_NEAR(dark / medium, 0.77, 0.1);
  EXPECT_NEAR(bright / medium, 1.18, 0.1);
}

TEST(DegradedSquare, LowerQualityLosesMore) {
  const torch::Tensor square = noise_square();
  const torch::Tensor clean = downsample_square(square, kLow, Downsampling::area);
  const auto error = [&](const torch::Tensor& x) { return (x - clean).square().mean().item<double>(); };
  DegradationOptions compressed = nearly_none();
  compressed.min_quality = compressed.max_quality = 20;
  const double base = mean_over_seeds(square, nearly_none(), error);
  EXPECT_GT(mean_over_seeds(square, compressed, error), 1.2 * base);
}

TEST(DegradationOptions, ValueOutOfRangeIsNamed) {
  const auto message = [](const DegradationOptions& options) { return thrown<UsageError>([&] { options.check(); }); };
  EXPECT_THAT(message({.share = 1.5}), HasSubstr("`degrade` must be from 0 to 1, got 1.5"));
  EXPECT_THAT(message({.max_blur = -1}), HasSubstr("`degrade_blur`"));
  EXPECT_THAT(message({.max_noise = 101}), HasSubstr("`degrade_noise`"));
  EXPECT_THAT(message({.min_quality = 0}), HasSubstr("`degrade_quality`"));
  EXPECT_THAT(message({.min_quality = 60, .max_quality = 50}), HasSubstr("`degrade_max_quality` must be from 60"));
}

}  // namespace
}  // namespace fmboost
