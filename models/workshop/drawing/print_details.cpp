#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "drawing/lettering.h"
#include "drawing/scenes.h"

namespace fmboost::drawing {
namespace {

constexpr Color kInk{0.04F, 0.04F, 0.05F};

void add_bars(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  const int bars = random.integer(3, 12);
  const Color color = palette.color(random);
  const bool outlined = random.chance(0.5);
  const double step = width / bars;
  const double share = random.uniform(0.5, 0.95);
  for (int i = 0; i < bars; ++i) {
    const double top = height * random.uniform(0.1, 0.95);
    canvas.rectangle({corner.x + i * step, corner.y + height - top}, step * share, top);
    canvas.fill_keep(random.chance(0.8) ? color : palette.color(random));
    if (outlined) {
      canvas.stroke(kInk, 1);
    }
    canvas.discard_path();
  }
}

void add_curves(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  for (int i = random.integer(1, 4); i > 0; --i) {
    std::vector<Point> points;
    const int count = random.integer(4, 14);
    double level = random.uniform();
    for (int k = 0; k < count; ++k) {
      level = std::clamp(level + 0.25 * random.normal(), 0.0, 1.0);
      points.push_back({corner.x + width * k / (count - 1.0), corner.y + height * level});
    }
    random.chance(0.5) ? canvas.smooth_line(points) : canvas.polyline(points);
    canvas.stroke(palette.color(random), random.uniform(1, 3.5));
    if (random.chance(0.4)) {
      const double size = random.uniform(2, 4.5);
      for (const auto& p : points) {
        canvas.circle(p, size);
      }
      canvas.fill(palette.color(random));
    }
  }
}

}  // namespace

void draw_chart(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  if (random.chance(0.7)) {
    canvas.rectangle(corner, width, height);
    canvas.fill(random.chance(0.7) ? Color{1, 1, 1} : palette.color(random));
  }
  const double margin = 0.14 * std::min(width, height);
  const Point inner{corner.x + margin, corner.y + 0.5 * margin};
  const double w = width - 1.5 * margin;
  const double h = height - 1.5 * margin;
  const int lines = random.chance(0.6) ? random.integer(2, 8) : 0;
  for (int i = 0; i <= lines; ++i) {
    canvas.rectangle({inner.x, std::floor(inner.y + h * i / std::max(1, lines))}, w, 1);
  }
  canvas.fill(Color{0.75F, 0.75F, 0.75F});
  random.chance(0.5) ? add_bars(canvas, random, palette, inner, w, h)
                     : add_curves(canvas, random, palette, inner, w, h);
  const std::array axes = {inner, Point{inner.x, inner.y + h}, Point{inner.x + w, inner.y + h}};
  canvas.polyline(axes);
  canvas.stroke(kInk, random.uniform(0.8, 2.5));
  const Alphabet alphabet(random);
  const double size = std::clamp(0.5 * margin, 4.0, 14.0);
  const int labels = random.integer(0, 5);
  for (int i = 0; i < labels; ++i) {
    alphabet.write(canvas, random, {inner.x + w * i / labels, corner.y + height - 0.3 * margin}, 0.7 * w / labels, size,
                   kInk);
  }
}

void draw_bubble(Canvas& canvas, Random& random, Point center, double radius) {
  const double flat = random.uniform(0.45, 0.8);
  const double tail = random.uniform(0.2, 0.8) * std::numbers::pi;
  const std::array corners = {Point{center.x - 0.15 * radius, center.y}, Point{center.x + 0.15 * radius, center.y},
                              Point{center.x + 1.3 * radius * std::cos(tail), center.y + radius * std::sin(tail)}};
  const double line = std::clamp(0.03 * radius, 1.0, 3.0);
  canvas.polygon(corners);
  canvas.ellipse(center, radius, radius * flat);
  canvas.fill_keep(Color{1, 1, 1});
  canvas.stroke(kInk, line);
  canvas.polygon(corners);  // again, to cover the line between them
  canvas.ellipse(center, radius - line, radius * flat - line);
  canvas.fill(Color{1, 1, 1});
  const Alphabet alphabet(random);
  const double size = std::clamp(radius * random.uniform(0.12, 0.3), 5.0, 24.0);
  alphabet.write_block(canvas, random, {center.x - 0.62 * radius, center.y - 0.6 * flat * radius}, 1.24 * radius,
                       1.15 * flat * radius, size, kInk);
}

void draw_slide(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  const Color top = random.chance(0.5) ? Color{1, 1, 1} : palette.color(random);
  const std::array stops = {Stop{0, top}, Stop{1, clamped(top * static_cast<float>(random.uniform(0.4, 1)))}};
  canvas.rectangle(corner, width, height);
  canvas.fill(Paint::linear(corner, {corner.x, corner.y + height}, stops));
  const Color ink = luma(top) > 0.5F ? kInk : Color{1, 1, 1};
  const double title = height * random.uniform(0.06, 0.11);
  const double indent = width * random.uniform(0.04, 0.12);
  const Alphabet alphabet(random);
  alphabet.write(canvas, random, {corner.x + indent, corner.y + 1.8 * title}, width - 2 * indent, title, ink);
  if (random.chance(0.6)) {
    canvas.rectangle({corner.x + indent, corner.y + 2.2 * title}, width - 2 * indent, std::max(1.0, 0.08 * title));
    canvas.fill(palette.color(random));
  }
  const double size = std::max(5.0, title * random.uniform(0.4, 0.75));
  const bool bullets = random.chance(0.6);
  const bool chart = random.chance(0.6);
  const double column = chart ? 0.5 * width : width - 2 * indent;
  for (double y = corner.y + 3 * title + size; y < corner.y + height - size; y += size * random.uniform(1.6, 2.4)) {
    if (bullets) {
      canvas.circle({corner.x + indent, y - 0.35 * size}, 0.2 * size);
      canvas.fill(ink);
    }
    alphabet.write(canvas, random, {corner.x + indent + size, y}, column * random.uniform(0.3, 0.85), size, ink);
  }
  if (chart) {
    draw_chart(canvas, random, palette, {corner.x + 0.55 * width, corner.y + 3 * title}, 0.4 * width,
               height * random.uniform(0.3, 0.6));
  }
}

}  // namespace fmboost::drawing
