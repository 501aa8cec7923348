#include <cairo.h>
#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

constexpr int kArches = 3;

// The top of the deck, slightly higher in the middle.
double deck_at(const Item& item, double x) {
  const double across = (x - item.x()) / (0.5 * item.width());
  return item.box.top + 0.012 + 0.052 * across * across;
}

void add_outline(Stage& stage, const Item& item) {
  std::vector<Point> outline;
  for (int i = 0; i <= 24; ++i) {
    const double x = item.box.left + item.width() * i / 24.0;
    outline.push_back({x, deck_at(item, x)});
  }
  outline.push_back({item.box.right, item.base});
  outline.push_back({item.box.left, item.base});
  stage.canvas.polygon(outline);
}

void add_arches(Stage& stage, const Item& item, double grow) {
  const double span = item.width() / (kArches + 0.9);
  cairo_t* context = stage.canvas.context();
  for (int i = 0; i < kArches; ++i) {
    const double x = item.x() + (i - (kArches - 1) / 2.0) * span;
    const double rise = item.base - deck_at(item, x) - 0.017 + grow;
    const double half = 0.39 * span + grow;
    cairo_save(context);
    cairo_translate(context, x, item.base);
    cairo_scale(context, half, rise);
    cairo_new_sub_path(context);
    cairo_arc(context, 0, 0, 1, 3.14159265, 0);
    cairo_close_path(context);
    cairo_restore(context);
  }
}

}  // namespace

void draw_bridge(Stage& stage, const Item& item) {
  const Color stone{.57F, .54F, .50F};
  cairo_t* context = stage.canvas.context();
  // The path is the wall without its arches; the stones are drawn inside it.
  const std::array<Stop, 2> dim{{{0, stage.lit(stone, 0.5F), 0.55}, {1, stage.lit(stone, 0.5F), 0}}};
  const Lake& lake = stage.layout.lake;
  const double half = lake.half_width_at(item.base + 0.05F) - 0.02;
  stage.canvas.rectangle({lake.center - half, item.base}, 2 * half, 0.06);
  stage.canvas.fill(Paint::linear({0, item.base}, {0, item.base + 0.06}, dim));
  cairo_save(context);
  add_outline(stage, item);
  add_arches(stage, item, 0);
  cairo_set_fill_rule(context, CAIRO_FILL_RULE_EVEN_ODD);
  cairo_clip_preserve(context);
  const std::array<Stop, 2> fall{{{0, stage.lit(stone, 1.1F)}, {1, stage.lit(stone, 0.7F)}}};
  stage.canvas.fill(Paint::linear({0, item.box.top}, {0, item.base}, fall));
  Random random(item.seed);
  const double course = 0.0125;
  for (double y = item.base; y > item.box.top; y -= course) {
    for (double x = item.box.left - random.uniform(0, 0.03); x < item.box.right;) {
      const double length = random.uniform(0.018, 0.034);
      stage.canvas.rectangle({x + 0.0012, y - course + 0.0012}, length - 0.0024, course - 0.0024);
      stage.canvas.fill(Paint(stage.lit(stone, static_cast<float>(random.uniform(0.72, 1.25))), 0.6));
      x += length;
    }
  }
  add_arches(stage, item, 0.009);
  cairo_set_fill_rule(context, CAIRO_FILL_RULE_WINDING);
  stage.canvas.fill(Paint(stage.lit(stone, 0.72F), 0.85));
  cairo_restore(context);
  std::vector<Point> deck;
  for (int i = 0; i <= 24; ++i) {
    const double x = item.box.left + item.width() * i / 24.0;
    deck.push_back({x, deck_at(item, x)});
  }
  stage.canvas.polyline(deck);
  stage.canvas.stroke(stage.lit(stone, 1.22F), 0.011);
  if (stage.snowy()) {
    stage.canvas.polyline(deck);
    stage.canvas.stroke(stage.lit(ColorName::white), 0.006);
  }
}

}  // namespace fmboost::drawing
