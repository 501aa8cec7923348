#include "drawing/shape.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace fmboost::drawing {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

Point polar(Point center, double radius, double angle) {
  return {center.x + radius * std::cos(angle), center.y + radius * std::sin(angle)};
}

// Two thirds of what people build stands upright.
void add_rectangle(Canvas& canvas, Random& random, Point center, double radius) {
  const double aspect = random.uniform(0.1, 1);
  const bool upright = random.chance(0.65);
  const double angle = upright ? (random.chance(0.5) ? 0 : kTurn / 4) : random.uniform(0, kTurn);
  const double corner = std::atan2(aspect, 1);
  const std::array corners = {polar(center, radius, angle + corner), polar(center, radius, angle - corner + kTurn / 2),
                              polar(center, radius, angle + corner + kTurn / 2), polar(center, radius, angle - corner)};
  canvas.polygon(corners);
}

void add_polygon(Canvas& canvas, Random& random, Point center, double radius) {
  std::vector<double> angles(static_cast<std::size_t>(random.integer(3, 8)));
  for (auto& angle : angles) {
    angle = random.uniform(0, kTurn);
  }
  std::sort(angles.begin(), angles.end());
  std::vector<Point> corners;
  for (const double angle : angles) {
    corners.push_back(polar(center, radius * random.uniform(0.5, 1), angle));
  }
  canvas.polygon(corners);
}

void add_blob(Canvas& canvas, Random& random, Point center, double radius) {
  constexpr int kPoints = 16;
  std::array<double, kPoints> reach{};
  reach.fill(1);
  for (int wave = 1; wave <= 5; ++wave) {
    const double amplitude = 0.3 * random.normal() / wave;
    const double phase = random.uniform(0, kTurn);
    for (int i = 0; i < kPoints; ++i) {
      reach[i] += amplitude * std::sin(wave * kTurn * i / kPoints + phase);
    }
  }
  const double largest = *std::max_element(reach.begin(), reach.end());
  std::array<Point, kPoints> points;
  for (int i = 0; i < kPoints; ++i) {
    points[i] = polar(center, radius * std::max(0.1, reach[i] / largest), kTurn * i / kPoints);
  }
  canvas.smooth_polygon(points);
}

void add_leaf(Canvas& canvas, Random& random, Point center, double radius) {
  const double angle = random.uniform(0, kTurn);
  const double width = random.uniform(0.15, 0.6);
  std::array<Point, 12> points;
  for (int i = 0; i < 12; ++i) {
    const double t = kTurn * i / 12;
    const double along = std::cos(t);
    const double across = width * std::sin(t) * (1 - 0.4 * along);
    points[i] = {center.x + radius * (along * std::cos(angle) - across * std::sin(angle)),
                 center.y + radius * (along * std::sin(angle) + across * std::cos(angle))};
  }
  canvas.smooth_polygon(points);
}

}  // namespace

void add_strand(Canvas& canvas, Random& random, Point root, double angle, double length, double bend, double width) {
  constexpr int kJoints = 5;
  std::array<Point, 2 * kJoints> outline;
  Point at = root;
  const double wave = bend * random.uniform(0.6, 1.4);
  for (int i = 0; i < kJoints; ++i) {
    const double half = 0.5 * width * (1 - 0.9 * i / (kJoints - 1.0));
    outline[i] = polar(at, half, angle + kTurn / 4);
    outline[2 * kJoints - 1 - i] = polar(at, half, angle - kTurn / 4);
    at = polar(at, length / (kJoints - 1), angle);
    angle += wave / (kJoints - 1);
  }
  canvas.smooth_polygon(outline);
}

void add_shape(Canvas& canvas, Random& random, Point center, double radius) {
  switch (random.below(8)) {
    case 0:
      canvas.circle(center, radius);
      break;
    case 1:
      canvas.ellipse(center, radius, radius * random.uniform(0.2, 1), random.uniform(0, kTurn));
      break;
    case 2:
      add_rectangle(canvas, random, center, radius);
      break;
    case 3:
      add_polygon(canvas, random, center, radius);
      break;
    case 4:
    case 5:
      add_blob(canvas, random, center, radius);
      break;
    case 6:
      add_leaf(canvas, random, center, radius);
      break;
    default:
      const double angle = random.uniform(0, kTurn);
      add_strand(canvas, random, polar(center, radius, angle + kTurn / 2), angle + random.normal() * 0.5,
                 random.uniform(1.2, 2) * radius, random.normal(),
                 std::max(1.0, radius * random.log_uniform(0.03, 0.4)));
  }
}

}  // namespace fmboost::drawing
