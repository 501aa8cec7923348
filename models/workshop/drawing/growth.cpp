#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "drawing/scenes.h"
#include "drawing/shape.h"

namespace fmboost::drawing {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

struct Twigs {
  Color color;
  double bend = 0.5;     // angle of a fork, radians
  double shorter = 0.7;  // length relative to the parent branch
};

void grow(Canvas& canvas, Random& random, const Twigs& twigs, Point from, double angle, double length, int forks) {
  add_strand(canvas, random, from, angle, length, 0.3 * random.normal(), std::max(0.7, length * 0.12));
  canvas.fill(clamped(twigs.color * static_cast<float>(random.uniform(0.7, 1.2))));
  if (forks == 0 || length < 2) {
    return;
  }
  for (int i = random.integer(2, 3); i > 0; --i) {
    const double along = random.uniform(0.4, 0.9) * length;
    const Point at{from.x + along * std::cos(angle), from.y + along * std::sin(angle)};
    const double side = i % 2 == 0 ? twigs.bend : -twigs.bend;
    grow(canvas, random, twigs, at, angle + side * random.uniform(0.6, 1.4),
         length * twigs.shorter * random.uniform(0.7, 1.1), forks - 1);
  }
}

}  // namespace

void draw_branches(Canvas& canvas, Random& random, const Palette& palette, Point root, double size) {
  const auto dark = static_cast<float>(random.uniform(0.15, 0.9));
  const Twigs twigs{clamped(palette.color(random) * dark), random.uniform(0.3, 0.8), random.uniform(0.6, 0.8)};
  const double angle = random.chance(0.7) ? -kTurn / 4 + 0.3 * random.normal() : random.uniform(0, kTurn);
  grow(canvas, random, twigs, root, angle, size * 0.5, random.integer(3, 5));
}

void draw_flower(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius) {
  const int petals = random.integer(4, 14);
  const Color base = palette.color(random);
  const Color tip = random.chance(0.5) ? clamped(base * 1.4F) : palette.color(random);
  const double width = radius * random.uniform(0.25, 0.6) * 5 / petals + 0.1 * radius;
  const double turned = random.uniform(0, kTurn);
  const int layers = random.integer(1, 3);
  for (int layer = 0; layer < layers; ++layer) {
    const double reach = radius * (1 - 0.25 * layer);
    for (int i = 0; i < petals; ++i) {
      const double angle = turned + kTurn * (i + 0.5 * layer) / petals + 0.08 * random.normal();
      const Point middle{center.x + 0.55 * reach * std::cos(angle), center.y + 0.55 * reach * std::sin(angle)};
      canvas.ellipse(middle, 0.5 * reach, 0.6 * width, angle);
      const auto light = static_cast<float>(random.uniform(0.75, 1.1));
      const std::array stops = {Stop{0.1, clamped(base * (0.6F * light))}, Stop{1, clamped(tip * light)}};
      canvas.fill(Paint::radial(center, reach, stops));
    }
  }
  const Color heart = palette.color(random);
  for (int i = 0; i < 30; ++i) {
    const double r = 0.2 * radius * std::sqrt(random.uniform());
    const double angle = random.uniform(0, kTurn);
    canvas.circle({center.x + r * std::cos(angle), center.y + r * std::sin(angle)}, std::max(0.8, 0.04 * radius));
    canvas.fill(clamped(heart * static_cast<float>(random.uniform(0.5, 1.4))));
  }
}

}  // namespace fmboost::drawing
