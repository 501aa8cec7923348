#include "drawing/canvas.h"

#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "fmboost/core/error.h"

namespace fmboost::drawing {
namespace {

constexpr Color kWhite{1, 1, 1};
constexpr Color kRed{1, 0, 0};

// The share of white in a canvas that began black.
double covered(Canvas& canvas) {
  const Image image = canvas.image();
  return std::accumulate(image.rgb.begin(), image.rgb.end(), 0.0) / 255 / 3;
}

TEST(Canvas, StartsBlackAndPaintCoversAll) {
  Canvas canvas(5, 4);
  EXPECT_EQ(covered(canvas), 0);
  canvas.paint(kRed);
  const Image image = canvas.image();
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.height, 4);
  EXPECT_EQ(image.rgb.size(), 60U);
  EXPECT_EQ(std::vector(image.pixel(4, 3), image.pixel(4, 3) + 3), (std::vector<std::uint8_t>{255, 0, 0}));
}

TEST(Canvas, AntialiasedShapesCoverTheirArea) {
  Canvas disc(64, 64);
  disc.circle({32.3, 31.7}, 20);
  disc.fill(kWhite);
  EXPECT_NEAR(covered(disc), 3.14159 * 400, 4);
  Canvas box(64, 64);
  box.rectangle({10.5, 10}, 20, 10);
  box.fill(kWhite);
  EXPECT_NEAR(covered(box), 200, 0.5);
  EXPECT_NEAR(unpack(box.row(15)[10]).r, 0.5, 0.01);
  Canvas oval(64, 64);
  oval.ellipse({32, 32}, 20, 5, 0.7);
  oval.fill(kWhite);
  EXPECT_NEAR(covered(oval), 3.14159 * 100, 2);
}

TEST(Canvas, StrokesHaveTheGivenWidth) {
  Canvas canvas(64, 64);
  const std::array line = {Point{10, 32}, Point{50, 32}};
  canvas.polyline(line);
  canvas.stroke(kWhite, 4);
  EXPECT_NEAR(covered(canvas), 160 + 3.14159 * 4, 1);  // round ends
}

TEST(Canvas, SmoothCurvesPassThroughTheirPoints) {
  Canvas canvas(64, 64);
  const std::array points = {Point{10, 32}, Point{32, 10}, Point{54, 32}, Point{32, 54}};
  canvas.smooth_polygon(points);
  canvas.fill(kWhite);
  EXPECT_GT(covered(canvas), 1.15 * 968);  // the square of these corners bulges ...
  EXPECT_LT(covered(canvas), 1521);        // ... to no more than the disc around it
  for (const auto& p : points) {
    EXPECT_EQ(canvas.row(static_cast<int>(p.y + (32 - p.y) * 0.1))[static_cast<int>(p.x + (32 - p.x) * 0.1)],
              pack(kWhite));
  }
}

TEST(Canvas, GradientsInterpolateBetweenStops) {
  Canvas canvas(100, 10);
  const std::array stops = {Stop{0, {}}, Stop{1, kRed}};
  canvas.paint(Paint::linear({0, 0}, {100, 0}, stops));
  EXPECT_NEAR(unpack(canvas.row(5)[50]).r, 0.505, 0.01);
  canvas.paint(Paint::radial({50, 5}, 50, stops));
  EXPECT_NEAR(unpack(canvas.row(5)[75]).r, 0.51, 0.01);
  EXPECT_LT(unpack(canvas.row(5)[50]).r, 0.02);
}

TEST(Canvas, TexturesRepeatAndOutliveTheirTile) {
  Canvas canvas(8, 8);
  {
    Canvas tile(2, 1);
    tile.row(0)[1] = pack(kWhite);
    canvas.paint(Paint::texture(tile, {1, 0}));
  }
  for (int x = 0; x < 8; ++x) {
    EXPECT_EQ(unpack(canvas.row(6)[x]).g, x % 2 == 0 ? 1 : 0) << x;
  }
}

TEST(Canvas, MaskIsAlpha) {
  Canvas canvas(8, 8);
  Plane mask(2, 2, 0.5F);
  mask.at(1, 1) = 7;
  canvas.fill_mask(kWhite, mask, 3, 4);
  EXPECT_NEAR(unpack(canvas.row(4)[3]).g, 0.5, 0.01);
  EXPECT_EQ(canvas.row(5)[4], pack(kWhite));
  EXPECT_EQ(unpack(canvas.row(3)[3]).g, 0);
}

TEST(Canvas, RoundTripsAnImage) {
  Image image(7, 3);
  std::iota(image.rgb.begin(), image.rgb.end(), std::uint8_t{9});
  EXPECT_EQ(Canvas(image).image().rgb, image.rgb);
}

TEST(Canvas, RejectsSizesBeyondCairosLimit) {
  EXPECT_THROW(Canvas(100000, 5), Error);
}

TEST(Canvas, BlurKeepsTheMeanAndSpreadsBySigma) {
  for (const double sigma : {0.6, 1.5, 4.0}) {
    Plane plane(65, 65);
    plane.at(32, 32) = 1;
    gaussian_blur(plane, sigma);
    double sum = 0;
    double spread = 0;
    for (int y = 0; y < 65; ++y) {
      for (int x = 0; x < 65; ++x) {
        sum += plane.at(x, y);
        spread += plane.at(x, y) * (x - 32) * (x - 32);
      }
    }
    EXPECT_NEAR(sum, 1, 1e-4) << sigma;
    EXPECT_NEAR(std::sqrt(spread), sigma, 0.06 * sigma) << sigma;
  }
}

TEST(Canvas, BlurKeepsAFlatCanvas) {
  Canvas canvas(20, 10);
  canvas.paint(Color{0.2F, 0.4F, 0.6F});
  const auto before = canvas.image().rgb;
  gaussian_blur(canvas, 3);
  EXPECT_EQ(canvas.image().rgb, before);
}

TEST(Color, HsvOfThePrimaryColors) {
  const auto near = [](Color a, Color b) {
    return std::abs(a.r - b.r) + std::abs(a.g - b.g) + std::abs(a.b - b.b) < 1e-5;
  };
  EXPECT_TRUE(near(hsv(0, 1, 1), {1, 0, 0}));
  EXPECT_TRUE(near(hsv(1.0 / 3, 1, 1), {0, 1, 0}));
  EXPECT_TRUE(near(hsv(2.0 / 3, 1, 0.5), {0, 0, 0.5F}));
  EXPECT_TRUE(near(hsv(1 + 1.0 / 6, 0.5, 1), {1, 1, 0.5F}));
  EXPECT_TRUE(near(hsv(-0.2, 0, 0.3), {0.3F, 0.3F, 0.3F}));
}

TEST(Image, ReducedIsTheMean) {
  Image image(5, 2);
  image.rgb = {0, 0, 0, 10, 20, 30, 1, 1, 1, 1, 1, 1, 9, 9, 9, 0, 0, 0, 30, 20, 10, 1, 1, 1, 1, 1, 1, 9, 9, 9};
  const Image half = reduced(image, 2);
  EXPECT_EQ(half.width, 2);
  EXPECT_EQ(half.height, 1);
  EXPECT_EQ(half.rgb, (std::vector<std::uint8_t>{10, 10, 10, 1, 1, 1}));
}

}  // namespace
}  // namespace fmboost::drawing
