#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

struct Tower {
  double left = 0;
  double width = 0;
  double height = 0;
};

void draw_windows(Stage& stage, const Tower& tower, double base, Color glass, Random& random) {
  const double step_x = tower.width / std::max(2, static_cast<int>(tower.width / 0.0085));
  const double step_y = 0.0115;
  for (double y = base - tower.height + 0.6 * step_y; y < base - step_y; y += step_y) {
    for (double x = tower.left + 0.25 * step_x; x < tower.left + tower.width - 0.5 * step_x; x += step_x) {
      if (random.chance(stage.dark() ? 0.4 : 0.85)) {
        stage.canvas.rectangle({x, y}, 0.52 * step_x, 0.55 * step_y);
      }
    }
  }
  stage.canvas.fill(glass);
}

void draw_tower(Stage& stage, const Tower& tower, double base, float distance, Random& random) {
  const double top = base - tower.height;
  constexpr std::array kWalls{Color{.44F, .47F, .54F}, Color{.52F, .50F, .52F}, Color{.38F, .43F, .52F},
                              Color{.56F, .53F, .50F}};
  const Color wall = random.choice(kWalls);
  const double middle = tower.left + tower.width / 2;
  switch (random.below(4)) {
    case 0:
      stage.canvas.polygon(std::array<Point, 3>{
          {{middle - 0.3 * tower.width, top}, {middle, top - 0.5 * tower.width}, {middle + 0.3 * tower.width, top}}});
      stage.canvas.fill(stage.lit(wall, 0.85F, distance));
      break;
    case 1:
      stage.canvas.rectangle({middle - 0.0015, top - 0.025}, 0.003, 0.026);
      stage.canvas.fill(stage.lit(wall, 0.7F, distance));
      break;
    case 2:
      stage.canvas.rectangle({middle - 0.28 * tower.width, top - 0.008}, 0.56 * tower.width, 0.009);
      stage.canvas.fill(stage.lit(wall, 0.8F, distance));
      break;
    default:
      break;
  }
  const bool left = stage.sun_x < 0;
  const std::array<Stop, 2> stops{
      {{0, stage.lit(wall, left ? 1.12F : 0.72F, distance)}, {1, stage.lit(wall, left ? 0.72F : 1.12F, distance)}}};
  stage.canvas.rectangle({tower.left, top}, tower.width, tower.height + 0.02);
  stage.canvas.fill(Paint::linear({tower.left, top}, {tower.left + tower.width, top}, stops));
  const Color glass = stage.dark() ? Color{1.0F, .85F, .5F} : stage.lit(Color{.24F, .29F, .38F}, 1, distance);
  draw_windows(stage, tower, base, glass, random);
}

}  // namespace

void draw_skyline(Stage& stage, const Item& item) {
  Random random(item.seed);
  for (const float distance : {0.42F, 0.2F}) {
    const bool back = distance > 0.3F;
    double x = item.box.left;
    while (x < item.box.right - 0.02) {
      const double width = std::min(random.uniform(0.026, 0.055), item.box.right - x);
      // Higher towards the middle.
      const double across = (x + width / 2 - item.x()) / (0.5 * item.width());
      const double hump = 1 - 0.6 * across * across;
      const double height = item.height() * hump * (back ? random.uniform(0.6, 0.88) : random.uniform(0.25, 0.7));
      draw_tower(stage, {x, width, height}, item.box.bottom, distance, random);
      x += width + (random.chance(0.3) ? random.uniform(0.0, 0.012) : 0);
    }
  }
}

}  // namespace fmboost::drawing
