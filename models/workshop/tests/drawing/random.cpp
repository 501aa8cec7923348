#include "drawing/random.h"

#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace fmboost::drawing {
namespace {

constexpr int kDraws = 100000;

template <typename Function>
std::pair<double, double> mean_and_variance(Function draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double v = draw();
    sum += v;
    squares += v * v;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// xoshiro256++ of its authors, its state filled by their splitmix64 from 0.
TEST(Random, IsXoshiro256PlusPlus) {
  Random random(0);
  EXPECT_EQ(random.next(), 0x53175d61490b23dfULL);
  EXPECT_EQ(random.next(), 0x61da6f3dc380d507ULL);
  EXPECT_EQ(random.next(), 0x5c0fdf91ec9a7bfcULL);
}

TEST(Random, IsDeterministic) {
  Random a(7);
  Random b(7);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(a.next(), b.next());
  }
}

TEST(Random, PartsAndNeighboringSeedsDiffer) {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    first.insert(Random(seed).next());
    first.insert(Random(seed, "sky").next());
    first.insert(Random(seed, "ground").next());
  }
  EXPECT_EQ(first.size(), 3000U);
}

TEST(Random, UniformFillsItsRange) {
  Random random(1);
  const auto [mean, variance] = mean_and_variance([&] {
    const double v = random.uniform(-2, 4);
    EXPECT_GE(v, -2);
    EXPECT_LT(v, 4);
    return v;
  });
  EXPECT_NEAR(mean, 1, 0.03);
  EXPECT_NEAR(variance, 3, 0.05);
}

TEST(Random, LogUniformFillsOctavesEqually) {
  Random random(2);
  std::array<int, 3> octaves{};
  for (int i = 0; i < kDraws; ++i) {
    ++octaves.at(static_cast<std::size_t>(std::log2(random.log_uniform(4, 32)) - 2));
  }
  for (const int count : octaves) {
    EXPECT_NEAR(count, kDraws / 3.0, 600);
  }
}

TEST(Random, IntegersAreUniformIncludingBothEnds) {
  Random random(3);
  std::array<int, 5> counts{};
  for (int i = 0; i < kDraws; ++i) {
    ++counts.at(static_cast<std::size_t>(random.integer(-2, 2) + 2));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, kDraws / 5.0, 600);
  }
}

TEST(Random, ChoiceReachesEveryElement) {
  Random random(4);
  const std::vector<int> values = {3, 5, 8};
  std::set<int> seen;
  for (int i = 0; i < 100; ++i) {
    seen.insert(random.choice(values));
  }
  EXPECT_EQ(seen, (std::set<int>{3, 5, 8}));
}

TEST(Random, NormalHasMeanZeroVarianceOneAndTails) {
  Random random(5);
  int beyond_two = 0;
  const auto [mean, variance] = mean_and_variance([&] {
    const double v = random.normal();
    beyond_two += std::abs(v) > 2 ? 1 : 0;
    return v;
  });
  EXPECT_NEAR(mean, 0, 0.02);
  EXPECT_NEAR(variance, 1, 0.03);
  EXPECT_NEAR(beyond_two, 0.0455 * kDraws, 300);
}

TEST(Random, ExponentialHasMeanAndVarianceOne) {
  Random random(6);
  const auto [mean, variance] = mean_and_variance([&] { return random.exponential(); });
  EXPECT_NEAR(mean, 1, 0.02);
  EXPECT_NEAR(variance, 1, 0.06);
}

// Its mean is b B(1 + 1/a, b).
TEST(Random, KumaraswamyHasItsMeanAndStaysInRange) {
  Random random(7);
  const auto [mean, variance] = mean_and_variance([&] {
    const double v = random.kumaraswamy(1.2, 2.2);
    EXPECT_GE(v, 0);
    EXPECT_LE(v, 1);
    return v;
  });
  EXPECT_NEAR(mean, 2.2 * std::beta(1 + 1 / 1.2, 2.2), 0.005);
  EXPECT_NEAR(variance, 2.2 * std::beta(1 + 2 / 1.2, 2.2) - mean * mean, 0.003);
}

}  // namespace
}  // namespace fmboost::drawing
