#include "drawing/noise_field.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace fmboost::drawing {
namespace {

constexpr int n = NoiseField::kSide;

// The mean squared difference of pixels (dx, dy) apart, all round.
double roughness(const NoiseField& field, int dx, int dy) {
  double sum = 0;
  for (int y = 0; y < n; ++y) {
    for (int x = 0; x < n; ++x) {
      const double d = field.texel(x + dx, y + dy) - field.texel(x, y);
      sum += d * d;
    }
  }
  return sum / n / n;
}

double step(Noise kind, int dx, int dy) {
  return roughness(noise_field(kind), dx, dy);
}

TEST(NoiseField, EveryKindIsCenteredInZeroToOne) {
  for (int kind = 0; kind < kNoiseKinds; ++kind) {
    double sum = 0;
    double squares = 0;
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x) {
        const double v = noise_field(static_cast<Noise>(kind)).texel(x, y);
        ASSERT_TRUE(v >= 0 && v <= 1);
        sum += v;
        squares += v * v;
      }
    }
    const double mean = sum / n / n;
    EXPECT_NEAR(mean, 0.5, 0.02) << kind;
    EXPECT_NEAR(std::sqrt(squares / n / n - mean * mean), 0.21, 0.02) << kind;
  }
}

TEST(NoiseField, IsPeriodicWithoutASeam) {
  const NoiseField& field = noise_field(Noise::smooth);
  double seam = 0;
  for (int i = 0; i < n; ++i) {
    EXPECT_EQ(field.texel(i, 3), field.texel(i - n, 3 + 2 * n));
    seam = std::max<double>(seam, std::abs(field.texel(n - 1, i) - field.texel(n, i)));
  }
  EXPECT_LT(seam, 0.03);
}

// For amplitudes f^-a of a plane the difference over a distance d grows as d^(2a - 2), where 1 < a < 2.
TEST(NoiseField, DifferenceGrowsWithDistanceByTheExponent) {
  const auto growth = [](Noise kind) { return std::log2(step(kind, 32, 0) / step(kind, 4, 0)) / 3; };
  EXPECT_NEAR(growth(Noise::rough), 0, 0.35);
  EXPECT_NEAR(growth(Noise::medium), 0.8, 0.35);
  EXPECT_NEAR(growth(Noise::soft), 1.6, 0.35);
  EXPECT_LT(growth(Noise::grain), 0.1);
  EXPECT_GT(growth(Noise::smooth), growth(Noise::soft));
}

TEST(NoiseField, RowsAndColumnsAreStretched) {
  EXPECT_GT(step(Noise::rows, 0, 2), 4 * step(Noise::rows, 2, 0));
  EXPECT_GT(step(Noise::columns, 2, 0), 4 * step(Noise::columns, 0, 2));
  EXPECT_NEAR(step(Noise::soft, 0, 2) / step(Noise::soft, 2, 0), 1, 0.3);
}

TEST(NoiseField, IsBilinearBetweenPixels) {
  const NoiseField& field = noise_field(Noise::rough);
  EXPECT_FLOAT_EQ(field.at(7, -3), field.texel(7, -3));
  EXPECT_FLOAT_EQ(field.at(-0.5, 4), 0.5F * (field.texel(-1, 4) + field.texel(0, 4)));
  EXPECT_FLOAT_EQ(field.at(9, 9.25), 0.75F * field.texel(9, 9) + 0.25F * field.texel(9, 10));
}

TEST(NoiseField, SamplesDependOnlyOnRandomNumbers) {
  Random a(5);
  Random b(5);
  const NoiseField& field = noise_field(Noise::medium);
  EXPECT_EQ(field.sample(a, 40, 30).values, field.sample(b, 40, 30).values);
  EXPECT_NE(field.sample(a, 40, 30).values, field.sample(a, 40, 30).values);
}

TEST(NoiseField, ZoomMakesItSmoother) {
  const auto steepest = [](double zoom) {
    Random random(3);
    const Plane plane = noise_field(Noise::rough).sample(random, 64, 64, zoom);
    double most = 0;
    for (int x = 1; x < 64; ++x) {
      most = std::max<double>(most, std::abs(plane.at(x, 9) - plane.at(x - 1, 9)));
    }
    return most;
  };
  EXPECT_LT(steepest(8), 0.4 * steepest(1));
}

}  // namespace
}  // namespace fmboost::drawing
