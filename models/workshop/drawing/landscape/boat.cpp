#include <cairo.h>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// Coordinates in the boat: u -0.5 .. 0.5 across, v 0 .. 1 upward from the water.
void draw_once(Stage& stage, const Item& item, bool mirrored, double alpha) {
  const double w = item.width() * (mirrored ? -1 : 1);
  const double h = item.height();
  const auto at = [&](double u, double v) { return Point{item.x() + u * w, item.base - v * h}; };
  const Color sail = color_of(*stage.scene.boat);
  const bool lit_right = (stage.sun_x > 0) != mirrored;
  cairo_t* context = stage.canvas.context();
  const auto sail_shape = [&](Point foot, Point top, Point tip, Point belly, float tone) {
    cairo_move_to(context, foot.x, foot.y);
    cairo_line_to(context, top.x, top.y);
    cairo_curve_to(context, top.x + 0.3 * (belly.x - top.x), top.y + 0.4 * (belly.y - top.y), belly.x, belly.y, tip.x,
                   tip.y);
    cairo_close_path(context);
    const std::array<Stop, 2> stops{
        {{0, stage.lit(sail, tone * 0.86F), alpha}, {1, stage.lit(sail, tone * 1.08F), alpha}}};
    stage.canvas.fill(Paint::linear(foot, tip, stops));
  };
  sail_shape(at(0.03, 0.2), at(0.03, 0.98), at(0.48, 0.22), at(0.42, 0.5), lit_right ? 1.0F : 0.82F);
  sail_shape(at(-0.02, 0.22), at(-0.01, 0.86), at(-0.44, 0.24), at(-0.24, 0.5), lit_right ? 0.84F : 1.0F);
  const Color seam = stage.lit(sail, 0.6F);
  for (int i = 1; i < 5; ++i) {
    stage.canvas.polyline(std::array<Point, 2>{at(0.03, 0.2 + 0.14 * i), at(0.48 - 0.098 * i, 0.22 + 0.135 * i)});
  }
  stage.canvas.stroke(Paint(seam, 0.35 * alpha), 0.006 * h);
  const Color wood{.36F, .22F, .13F};
  stage.canvas.polyline(std::array<Point, 2>{at(0.01, 0.12), at(0.01, 1)});
  stage.canvas.stroke(Paint(stage.lit(wood, 0.8F), alpha), 0.018 * h);
  const Point bow = at(0.5, 0.17);
  const Point keel = at(0.33, 0);
  const Point stern_low = at(-0.36, 0);
  const Point stern = at(-0.46, 0.15);
  cairo_move_to(context, stern.x, stern.y);
  cairo_line_to(context, bow.x, bow.y);
  cairo_curve_to(context, bow.x, bow.y, keel.x + 0.05 * w, keel.y, keel.x, keel.y);
  cairo_line_to(context, stern_low.x, stern_low.y);
  cairo_close_path(context);
  const std::array<Stop, 2> hull{{{0, stage.lit(wood, 1.35F), alpha}, {1, stage.lit(wood, 0.7F), alpha}}};
  stage.canvas.fill(Paint::linear(at(0, 0.16), at(0, 0), hull));
  stage.canvas.polyline(std::array<Point, 2>{stern, bow});
  stage.canvas.stroke(Paint(stage.lit(Color{.90F, .86F, .78F}), alpha), 0.022 * h);
}

}  // namespace

void draw_boat(Stage& stage, const Item& item) {
  Random random(item.seed);
  const bool mirrored = random.chance(0.5);
  cairo_t* context = stage.canvas.context();
  const Lake& lake = stage.layout.lake;
  cairo_save(context);  // its reflection in the water
  stage.canvas.ellipse({lake.center, (lake.top + lake.bottom) / 2}, 0.96 * lake.half_width,
                       0.47 * (lake.bottom - lake.top));
  cairo_clip(context);
  cairo_translate(context, 0, item.base);
  cairo_scale(context, 1, -0.7);
  cairo_translate(context, 0, -item.base);
  draw_once(stage, item, mirrored, 0.28);
  cairo_restore(context);
  draw_once(stage, item, mirrored, 1);
}

}  // namespace fmboost::drawing
