#include <cairo.h>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// A distant bird: two bent wings, thick at the body.
void draw_bird(Stage& stage, Point at, double span, double lift, double tilt, Color color) {
  cairo_t* context = stage.canvas.context();
  cairo_save(context);
  cairo_translate(context, at.x, at.y);
  cairo_rotate(context, tilt);
  cairo_scale(context, span / 2, span / 2);
  cairo_move_to(context, -1, -lift);
  cairo_curve_to(context, -0.6, -lift - 0.22, -0.2, -0.2, 0, 0);
  cairo_curve_to(context, 0.2, -0.2, 0.6, -lift - 0.22, 1, -lift);
  cairo_curve_to(context, 0.6, -lift + 0.02, 0.3, 0.05, 0.1, 0.24);
  cairo_curve_to(context, 0.03, 0.3, -0.03, 0.3, -0.1, 0.24);
  cairo_curve_to(context, -0.3, 0.05, -0.6, -lift + 0.02, -1, -lift);
  cairo_close_path(context);
  cairo_restore(context);
  stage.canvas.fill(color);
}

}  // namespace

void draw_birds(Stage& stage, const Item& item) {
  Random random(item.seed);
  const Color color = Color{.10F, .10F, .13F} * stage.light;
  constexpr int kBirds = 8;
  for (int i = 0; i < kBirds; ++i) {  // one in each cell of a grid of 4 x 2, so that none covers another
    const double u = (i % 4 + random.uniform(0.35, 0.65)) / 4;
    const double v = (i / 4 + random.uniform(0.3, 0.7)) / 2;
    const double span = random.uniform(0.042, 0.062);
    draw_bird(stage, {item.box.left + u * item.width(), item.box.top + v * item.height()}, span,
              random.uniform(0.1, 0.45), random.uniform(-0.25, 0.25), color);
  }
}

}  // namespace fmboost::drawing
