#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

constexpr int kLevels = 7;

struct Branch {
  Point from;
  Point bend;
  Point to;
};

// Grows a branch and its children; all of branches[level] are equally thick.
void grow(std::vector<std::vector<Branch>>& branches, Random& random, Point from, double angle, double length,
          int level) {
  const Point to{from.x + length * std::cos(angle), from.y - length * std::sin(angle)};
  const double bend = random.uniform(-0.12, 0.12) * length;
  const Point middle{(from.x + to.x) / 2 + bend * std::sin(angle), (from.y + to.y) / 2 + bend * std::cos(angle)};
  branches[static_cast<std::size_t>(level)].push_back({from, middle, to});
  if (level + 1 == kLevels) {
    return;
  }
  for (const double turn : {-0.5, 0.48}) {
    const double next = angle + turn + random.uniform(-0.22, 0.22);
    grow(branches, random, to, next, length * random.uniform(0.68, 0.82), level + 1);
  }
  if (level > 0 && random.chance(0.5)) {
    grow(branches, random, middle, angle + random.uniform(-0.9, 0.9), length * 0.55, level + 1);
  }
}

}  // namespace

void draw_bare_tree(Stage& stage, const Item& item) {
  Random random(item.seed);
  const double h = item.height();
  const Color bark{.27F, .20F, .15F};
  std::vector<std::vector<Branch>> branches(kLevels);
  grow(branches, random, {item.x(), item.base}, 1.571 + random.uniform(-0.06, 0.06), 0.29 * h, 0);
  draw_shadow(stage, item.x(), item.base, static_cast<float>(0.26 * h));
  for (int level = kLevels - 1; level >= 0; --level) {
    const double width = h * 0.045 * std::pow(0.62, level);
    for (const auto& [from, bend, to] : branches[static_cast<std::size_t>(level)]) {
      stage.canvas.smooth_line(std::array<Point, 3>{{from, bend, to}});
    }
    stage.canvas.stroke(stage.lit(bark, 0.95F + 0.04F * static_cast<float>(level)), width);
  }
  const double light = stage.sun_x < 0 ? -1 : 1;
  for (int level = 0; level < 3; ++level) {  // the side towards the light
    const double width = h * 0.045 * std::pow(0.62, level);
    for (const auto& [from, bend, to] : branches[static_cast<std::size_t>(level)]) {
      const double shift = 0.28 * width * light;
      stage.canvas.smooth_line(
          std::array<Point, 3>{{{from.x + shift, from.y}, {bend.x + shift, bend.y}, {to.x + shift, to.y}}});
    }
    stage.canvas.stroke(Paint(stage.snowy() ? stage.lit(ColorName::white) : stage.lit(bark, 1.6F), 0.6), 0.3 * width);
  }
}

}  // namespace fmboost::drawing
