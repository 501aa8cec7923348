#include <numbers>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// A round wall from the ground up, lit from one side.
void draw_shaft(Stage& stage, Point foot, double height, double half_width, double half_top, Color paint) {
  const bool left = stage.sun_x < 0;
  const std::array<Stop, 3> round{{{0, stage.lit(paint, left ? 1.05F : 0.52F)},
                                   {left ? 0.3 : 0.7, stage.lit(paint, 1.02F)},
                                   {1, stage.lit(paint, left ? 0.52F : 1.05F)}}};
  stage.canvas.polygon(std::array<Point, 4>{{{foot.x - half_width, foot.y},
                                             {foot.x - half_top, foot.y - height},
                                             {foot.x + half_top, foot.y - height},
                                             {foot.x + half_width, foot.y}}});
  stage.canvas.fill(Paint::linear({foot.x - half_width, foot.y}, {foot.x + half_width, foot.y}, round));
}

void draw_pane(Stage& stage, Point center, double width, double height) {
  stage.canvas.rectangle({center.x - width / 2, center.y - height / 2}, width, height);
  stage.canvas.fill(stage.dark() ? Color{1.0F, .84F, .42F} : stage.lit(Color{.25F, .30F, .36F}));
}

void draw_sail(Stage& stage, Point hub, double angle, double length) {
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  const auto at = [&](double along, double across) {
    return Point{hub.x + length * (along * c - across * s), hub.y + length * (along * s + across * c)};
  };
  const Color cloth = stage.lit(Color{.93F, .90F, .82F}, stage.dark() ? 1.1F : 0.97F);
  const Color wood = stage.lit(Color{.30F, .21F, .14F});
  stage.canvas.polygon(std::array<Point, 4>{at(0.22, 0.02), at(1, 0.02), at(1, 0.22), at(0.22, 0.22)});
  stage.canvas.fill(Paint(cloth, 0.92));
  for (int i = 0; i <= 8; ++i) {
    const double along = 0.22 + 0.78 * i / 8;
    stage.canvas.polyline(std::array<Point, 2>{at(along, 0), at(along, 0.22)});
  }
  for (const double across : {0.12, 0.22}) {
    stage.canvas.polyline(std::array<Point, 2>{at(0.22, across), at(1, across)});
  }
  stage.canvas.stroke(wood, 0.012 * length);
  stage.canvas.polyline(std::array<Point, 2>{hub, at(1.02, 0)});
  stage.canvas.stroke(wood, 0.045 * length);
}

}  // namespace

void draw_windmill(Stage& stage, const Item& item) {
  Random random(item.seed);
  const double h = item.height();
  const double w = item.width();
  const double x = item.x();
  const double y = item.base;
  const Color wall = color_of(stage.scene.wall);
  draw_shadow(stage, item.x(), item.base, static_cast<float>(0.32 * w));
  draw_shaft(stage, {x, y}, 0.6 * h, 0.19 * w, 0.115 * w, wall);
  for (int i = 1; i < 12; ++i) {
    const double half = (0.19 - 0.075 * i / 12) * w;
    stage.canvas.polyline(std::array<Point, 2>{{{x - half, y - 0.05 * h * i}, {x + half, y - 0.05 * h * i}}});
  }
  stage.canvas.stroke(Paint(stage.lit(wall, 0.5F), 0.25), 0.004 * h);
  stage.canvas.smooth_polygon(std::array<Point, 5>{{{x - 0.135 * w, y - 0.59 * h},
                                                    {x - 0.105 * w, y - 0.68 * h},
                                                    {x, y - 0.735 * h},
                                                    {x + 0.105 * w, y - 0.68 * h},
                                                    {x + 0.135 * w, y - 0.59 * h}}});
  stage.canvas.fill(stage.lit(Color{.36F, .24F, .17F}));
  draw_pane(stage, {x, y - 0.42 * h}, 0.06 * w, 0.06 * h);
  draw_pane(stage, {x, y - 0.26 * h}, 0.06 * w, 0.06 * h);
  stage.canvas.rectangle({x - 0.045 * w, y - 0.13 * h}, 0.09 * w, 0.13 * h);
  stage.canvas.fill(stage.lit(Color{.33F, .21F, .13F}));
  const Point hub{x, y - 0.63 * h};
  const double turn = random.uniform(0.2, 1.37);
  for (int i = 0; i < 4; ++i) {
    draw_sail(stage, hub, turn + i * std::numbers::pi / 2, 0.42 * w);
  }
  stage.canvas.circle(hub, 0.025 * w);
  stage.canvas.fill(stage.lit(Color{.22F, .15F, .1F}));
}

void draw_lighthouse(Stage& stage, const Item& item) {
  const double h = item.height();
  const double w = item.width();
  const double x = item.x();
  const double y = item.base;
  const bool red = stage.scene.wall == ColorName::red;
  draw_shadow(stage, item.x(), item.base, static_cast<float>(0.62 * w));
  draw_shaft(stage, {x, y}, 0.78 * h, 0.36 * w, 0.22 * w, color_of(stage.scene.wall));
  if (red) {  // two white bands
    for (const double low : {0.22, 0.5}) {
      const double half = (0.36 - 0.14 * low / 0.78) * w;
      const double half_top = (0.36 - 0.14 * (low + 0.1) / 0.78) * w;
      draw_shaft(stage, {x, y - low * h}, 0.1 * h, half, half_top, color_of(ColorName::white));
    }
  }
  for (const double v : {0.2, 0.42, 0.64}) {
    draw_pane(stage, {x, y - v * h}, 0.09 * w, 0.035 * h);
  }
  const Color iron{.16F, .17F, .20F};
  stage.canvas.rectangle({x - 0.36 * w, y - 0.8 * h}, 0.72 * w, 0.028 * h);
  stage.canvas.fill(stage.lit(iron));
  const Point lamp{x, y - 0.855 * h};
  const bool shines = stage.dark();
  if (shines) {
    const std::array<Stop, 3> glow{{{0, {1, .93F, .65F}, 0.75}, {0.25, {1, .88F, .5F}, 0.3}, {1, {1, .85F, .45F}, 0}}};
    stage.canvas.circle(lamp, 0.9 * w);
    stage.canvas.fill(Paint::radial(lamp, 0.9 * w, glow));
  }
  stage.canvas.rectangle({x - 0.19 * w, y - 0.91 * h}, 0.38 * w, 0.11 * h);
  stage.canvas.fill(shines ? Color{1, .93F, .62F} : stage.lit(Color{.75F, .82F, .86F}));
  for (const double u : {-0.19, -0.065, 0.065, 0.19}) {
    stage.canvas.polyline(std::array<Point, 2>{{{x + u * w, y - 0.8 * h}, {x + u * w, y - 0.91 * h}}});
  }
  stage.canvas.stroke(stage.lit(iron), 0.006 * h);
  stage.canvas.smooth_polygon(std::array<Point, 5>{{{x - 0.25 * w, y - 0.9 * h},
                                                    {x - 0.13 * w, y - 0.955 * h},
                                                    {x, y - 0.985 * h},
                                                    {x + 0.13 * w, y - 0.955 * h},
                                                    {x + 0.25 * w, y - 0.9 * h}}});
  stage.canvas.fill(stage.lit(red ? Color{.20F, .20F, .23F} : Color{.72F, .16F, .13F}));
}

}  // namespace fmboost::drawing
