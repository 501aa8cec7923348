#include "drawing/leaves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

#include "image_statistics.h"

namespace fmboost::drawing {
namespace {

using test::ImageStatistics;
using test::measure;

constexpr int kSide = 256;
constexpr int kImages = 120;

const std::vector<ImageStatistics>& statistics() {
  static const auto measured = [] {
    std::vector<ImageStatistics> all;
    for (int i = 0; i < kImages; ++i) {
      all.push_back(measure(draw_leaves(static_cast<std::uint64_t>(i), kSide)));
    }
    return all;
  }();
  return measured;
}

std::vector<double> sorted(const std::function<double(const ImageStatistics&)>& value) {
  std::vector<double> values;
  std::transform(statistics().begin(), statistics().end(), std::back_inserter(values), value);
  std::sort(values.begin(), values.end());
  return values;
}

double mean(const std::function<double(const ImageStatistics&)>& value) {
  const auto values = sorted(value);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(const std::function<double(const ImageStatistics&)>& value) {
  return sorted(value)[kImages / 2];
}

void expect_within(double value, double low, double high) {
  EXPECT_GE(value, low);
  EXPECT_LE(value, high);
}

TEST(Leaves, DependOnTheSeedAlone) {
  const Image first = draw_leaves(100000, 96);
  draw_leaves(5, 64);
  EXPECT_EQ(draw_leaves(100000, 96).rgb, first.rgb);
  EXPECT_NE(draw_leaves(100001, 96).rgb, first.rgb);
}

TEST(Leaves, HaveTheRequestedSize) {
  for (const int side : {16, 17, 100, 300}) {
    const Image image = draw_leaves(3, side);
    EXPECT_EQ(image.width, side);
    EXPECT_EQ(image.height, side);
    EXPECT_EQ(image.rgb.size(), static_cast<std::size_t>(3 * side * side));
  }
}

// Photographs: the energy grows by a factor between 1 (1/f^2) and 1.8 (1/f^2.8) towards the larger octave.
TEST(Leaves, PowerSpectrumIsNearOneOverFSquared) {
  for (std::size_t octave = 0; octave < 4; ++octave) {
    const double finer = mean([&](const auto& s) { return s.octaves[octave]; });
    const double coarser = mean([&](const auto& s) { return s.octaves[octave + 1]; });
    expect_within(coarser / finer, 0.95, 1.8);
  }
}

TEST(Leaves, EdgesAreFewStrongAndManyWeak) {
  expect_within(median([](const auto& s) { return s.kurtosis; }), 8, 60);
}

TEST(Leaves, HaveSmoothAreasAndDetail) {
  expect_within(mean([](const auto& s) { return s.flat; }), 0.15, 0.45);
  expect_within(mean([](const auto& s) { return s.busy; }), 0.12, 0.4);
}

TEST(Leaves, HaveDirectedAndUndirectedStructure) {
  const auto coherence = [](const auto& s) { return s.coherence; };
  expect_within(mean(coherence), 0.5, 0.8);
  EXPECT_GT(sorted(coherence)[kImages * 9 / 10] - sorted(coherence)[kImages / 10], 0.15);
}

TEST(Leaves, HaveLightAndColorsOfPhotographs) {
  expect_within(mean([](const auto& s) { return s.mean; }), 90, 135);
  expect_within(mean([](const auto& s) { return s.deviation; }), 35, 65);
  expect_within(mean([](const auto& s) { return s.saturation; }), 0.2, 0.5);
}

TEST(Leaves, VaryInKindAndAreRarelyEmpty) {
  const auto flat = sorted([](const auto& s) { return s.flat; });
  EXPECT_LT(flat[kImages / 10], 0.15);
  EXPECT_GT(flat[kImages * 9 / 10], 0.4);
  const auto deviation = sorted([](const auto& s) { return s.deviation; });
  EXPECT_GT(deviation[kImages / 20], 15);
}

// Unpredictable noise would show in flat areas: neighbors would differ there by more than rounding.
TEST(Leaves, HaveNoGrain) {
  double flattest = 255;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Plane luma = test::luma_of(draw_leaves(seed, 128));
    for (int y = 0; y < 120; y += 8) {
      double most = 0;
      for (int x = 0; x < 32; ++x) {
        most = std::max<double>(most, std::abs(luma.at(x + 1, y) - luma.at(x, y)));
      }
      flattest = std::min(flattest, most);
    }
  }
  EXPECT_LE(flattest, 1.01);
}

TEST(LeafCrops, LargerCountContinuesASmallerOne) {
  const auto four = draw_leaf_crops(9, 128, 32, 4);
  const auto six = draw_leaf_crops(9, 128, 32, 6);
  ASSERT_EQ(four.size(), 4U);
  ASSERT_EQ(six.size(), 6U);
  for (std::size_t i = 0; i < four.size(); ++i) {
    EXPECT_EQ(four[i].rgb, six[i].rgb);
    EXPECT_EQ(four[i].width, 32);
    EXPECT_EQ(four[i].height, 32);
  }
}

// An image whose pixels encode their positions.
Image map_of_places(int side) {
  Image image(side, side);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      std::uint8_t* p = image.pixel(x, y);
      p[0] = static_cast<std::uint8_t>(x);
      p[1] = static_cast<std::uint8_t>(64 + y);
      p[2] = 255;
    }
  }
  return image;
}

// The directions of x and y in each channel, and the channel order; empty for a reduced crop.
std::vector<int> transformation(const Image& crop) {
  std::vector<int> found;
  for (int c = 0; c < 3; ++c) {
    found.push_back(crop.pixel(1, 0)[c] - crop.pixel(0, 0)[c]);
    found.push_back(crop.pixel(0, 1)[c] - crop.pixel(0, 0)[c]);
  }
  if (std::any_of(found.begin(), found.end(), [](int step) { return std::abs(step) > 1; })) {
    return {};
  }
  for (int c = 0; c < 3; ++c) {
    found.push_back(crop.pixel(0, 0)[c] / 64);  // which channel this was
  }
  return found;
}

TEST(LeafCrops, AllSymmetriesAndChannelOrdersOccurAndHalfAreReduced) {
  const Image image = map_of_places(64);
  Random random(4);
  std::set<std::vector<int>> ways;
  int reduced_ones = 0;
  for (const auto& crop : random_crops(image, random, 16, 2000)) {
    const auto way = transformation(crop);
    reduced_ones += way.empty() ? 1 : 0;
    ways.insert(way);
  }
  EXPECT_EQ(ways.size(), 8 * 6 + 1U);
  EXPECT_NEAR(reduced_ones, 1000, 100);
}

TEST(LeafCrops, ReachEveryPartAndStayWithinTheImage) {
  Random random(5);
  const auto crops = random_crops(map_of_places(24), random, 16, 500);
  std::set<int> places;
  for (const auto& crop : crops) {
    EXPECT_FALSE(transformation(crop).empty());
    const auto& rgb = crop.rgb;
    places.insert(*std::min_element(rgb.begin(), rgb.end()));
  }
  EXPECT_EQ(places, (std::set<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(LeafCrops, MayBeTheWholeImage) {
  Random random(6);
  const auto crops = random_crops(map_of_places(16), random, 16, 3);
  EXPECT_EQ(crops.size(), 3U);
}

TEST(LeafCrops, PreferDetail) {
  Image image(64, 32);  // flat on the left, checks on the right
  for (int y = 0; y < 32; ++y) {
    for (int x = 32; x < 64; ++x) {
      std::fill_n(image.pixel(x, y), 3, static_cast<std::uint8_t>((x + y) % 2 * 255));
    }
  }
  Random random(7);
  int empty = 0;
  for (const auto& crop : random_crops(image, random, 32, 1000)) {
    const auto detail = std::count(crop.rgb.begin(), crop.rgb.end(), 255);
    empty += detail < 3 * 32 * 16 / 2 ? 1 : 0;
  }
  expect_within(empty, 250, 420);  // half of them without the preference
}

}  // namespace
}  // namespace fmboost::drawing
