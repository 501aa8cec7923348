#include <cairo.h>

#include "drawing/canvas.h"

namespace fmboost::drawing {
namespace {

void add_stops(cairo_pattern_t* pattern, std::span<const Stop> stops) {
  for (const auto& stop : stops) {
    cairo_pattern_add_color_stop_rgba(pattern, stop.offset, stop.color.r, stop.color.g, stop.color.b, stop.alpha);
  }
}

}  // namespace

Paint::Paint(_cairo_pattern* pattern) : pattern_(pattern, cairo_pattern_destroy) {}

Paint::Paint(Color color, double alpha) : Paint(cairo_pattern_create_rgba(color.r, color.g, color.b, alpha)) {}

Paint Paint::linear(Point from, Point to, std::span<const Stop> stops) {
  Paint paint(cairo_pattern_create_linear(from.x, from.y, to.x, to.y));
  add_stops(paint.pattern(), stops);
  return paint;
}

Paint Paint::radial(Point center, double radius, std::span<const Stop> stops) {
  Paint paint(cairo_pattern_create_radial(center.x, center.y, 0, center.x, center.y, radius));
  add_stops(paint.pattern(), stops);
  return paint;
}

Paint Paint::texture(const Canvas& tile, Point origin, double scale, double angle) {
  Paint paint(cairo_pattern_create_for_surface(tile.surface()));
  cairo_matrix_t to_tile;  // a pattern's matrix maps the canvas to the tile
  cairo_matrix_init_scale(&to_tile, 1 / scale, 1 / scale);
  cairo_matrix_rotate(&to_tile, -angle);
  cairo_matrix_translate(&to_tile, -origin.x, -origin.y);
  cairo_pattern_set_matrix(paint.pattern(), &to_tile);
  cairo_pattern_set_extend(paint.pattern(), CAIRO_EXTEND_REPEAT);
  cairo_pattern_set_filter(paint.pattern(), scale == 1 && angle == 0 ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_BILINEAR);
  return paint;
}

}  // namespace fmboost::drawing
