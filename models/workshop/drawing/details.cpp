#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "drawing/lettering.h"
#include "drawing/noise_field.h"
#include "drawing/scenes.h"
#include "drawing/shape.h"

namespace fmboost::drawing {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

Color darker(Color color, double k) {
  return clamped(color * static_cast<float>(k));
}

}  // namespace

void draw_tuft(Canvas& canvas, Random& random, const Palette& palette, Point root, double size) {
  const Color base = palette.color(random);
  const Color tip = random.chance(0.5) ? darker(base, random.uniform(1.1, 2)) : palette.color(random);
  const double angle = random.uniform(0, kTurn);
  const double bend = random.normal();
  const double spread = random.uniform(0.05, 0.5);
  const double width = random.log_uniform(0.7, std::max(1.0, size / 12));
  for (int i = random.integer(15, 70); i > 0; --i) {
    const Point from{root.x + 0.35 * size * random.normal(), root.y + 0.35 * size * random.normal()};
    add_strand(canvas, random, from, angle + spread * random.normal(), size * random.uniform(0.5, 1.3), bend, width);
    canvas.fill(mix(darker(base, random.uniform(0.5, 1)), tip, static_cast<float>(random.uniform())));
  }
}

void draw_fur(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius) {
  const NoiseField& field = noise_field(Noise::smooth);
  const double zoom = radius * random.uniform(0.003, 0.012);
  const double x0 = random.uniform(0, NoiseField::kSide);
  const double angle = random.uniform(0, kTurn);
  const double turn = random.uniform(0.5, 5);
  const double length = std::max(6.0, radius * random.log_uniform(0.08, 0.4));
  const double width = random.log_uniform(0.7, 2.5);
  const Color coat[] = {palette.color(random), palette.color(random)};
  const double count = std::min(1200.0, 9 * radius * radius / (length * width));
  for (int i = 0; i < count; ++i) {  // from top to bottom, so that feathers overlap the right way
    const double y = radius * (2 * i / count - 1) + 0.1 * radius * random.normal();
    const double half = std::sqrt(std::max(0.0, radius * radius - y * y));
    const double x = half * random.uniform(-1, 1);
    const float flow = field.at(x0 + x / zoom, y / zoom) - 0.5F;
    const float patch = field.at(2 * x / zoom, x0 + 2 * y / zoom);
    const Color hair = mix(coat[0], coat[1], std::clamp(3 * patch - 1, 0.0F, 1.0F));
    add_strand(canvas, random, {center.x + x, center.y + y}, angle + turn * flow, length * random.uniform(0.6, 1.3),
               0.4 * random.normal(), width);
    canvas.fill(darker(hair, random.uniform(0.6, 1.35)));
  }
}

void draw_facade(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  const Color wall = palette.color(random);
  canvas.rectangle(corner, width, height);
  canvas.fill(wall);
  const double cell_x = random.uniform(0.08, 0.3) * width + 3;
  const double cell_y = cell_x * random.uniform(0.7, 1.8);
  const double share_x = random.uniform(0.3, 0.85);
  const double share_y = random.uniform(0.3, 0.85);
  const Color pane = random.chance(0.7) ? darker(wall, random.uniform(0.15, 0.6)) : palette.color(random);
  const bool bars = cell_x > 12 && random.chance(0.5);
  for (double y = corner.y + cell_y * 0.3; y + cell_y * share_y < corner.y + height; y += cell_y) {
    for (double x = corner.x + cell_x * 0.2; x + cell_x * share_x < corner.x + width; x += cell_x) {
      canvas.rectangle({x, y}, cell_x * share_x, cell_y * share_y);
      canvas.fill(random.chance(0.2) ? darker(pane, random.uniform(0.6, 2.5)) : pane);
      if (bars) {
        canvas.rectangle({x + cell_x * share_x * 0.5 - 0.6, y}, 1.2, cell_y * share_y);
        canvas.rectangle({x, y + cell_y * share_y * 0.4}, cell_x * share_x, 1.2);
        canvas.fill(wall);
      }
    }
  }
}

void draw_sign(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height) {
  const Color ground = random.chance(0.4) ? (random.chance(0.6) ? Color{1, 1, 1} : Color{}) : palette.color(random);
  const bool dark = luma(ground) < 0.5F;
  const Color contrast = dark ? Color{1, 1, 1} : Color{0.03F, 0.03F, 0.03F};
  const Color ink =
      mix(contrast, palette.color(random), static_cast<float>(random.chance(0.6) ? 0 : random.uniform(0, 0.4)));
  canvas.rectangle(corner, width, height);
  canvas.fill(ground);
  const Alphabet alphabet(random);
  const double size = std::clamp(height * random.log_uniform(0.08, 0.6), 5.0, 60.0);
  alphabet.write_block(canvas, random, {corner.x + 0.3 * size, corner.y + 0.2 * size}, width - 0.6 * size,
                       height - 0.3 * size, size, ink);
  if (random.chance(0.4)) {
    canvas.rectangle({corner.x + 1.5, corner.y + 1.5}, width - 3, height - 3);
    canvas.stroke(ink, random.uniform(0.8, 3));
  }
}

void draw_wires(Canvas& canvas, Random& random, const Palette& palette) {
  const double w = canvas.width();
  const Color color = darker(palette.color(random), random.uniform(0.1, 1.2));
  const double width = random.log_uniform(0.6, 4);
  const double gap = width * random.uniform(2, 12);
  Point from{random.uniform(0, w), random.uniform(0, w)};
  const double angle = random.chance(0.4) ? kTurn / 4 * random.below(4) : random.uniform(0, kTurn);
  const Point along{std::cos(angle) * w * 1.5, std::sin(angle) * w * 1.5};
  const double sag = random.chance(0.5) ? 0 : random.uniform(-0.2, 0.2);
  for (int i = random.integer(1, 7); i > 0; --i) {
    const std::array points = {Point{from.x - along.x, from.y - along.y},
                               Point{from.x - sag * along.y, from.y + sag * along.x},
                               Point{from.x + along.x, from.y + along.y}};
    canvas.smooth_line(points);
    canvas.stroke(color, width);
    from = {from.x - std::sin(angle) * gap, from.y + std::cos(angle) * gap};
  }
}

void draw_foliage(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius) {
  const Color base = palette.color(random);
  const double size = std::max(1.5, radius * random.log_uniform(0.04, 0.25));
  const double slim = random.uniform(0.25, 1);
  const int count = random.integer(40, 200);
  for (int i = 0; i < count; ++i) {
    const double reach = radius * std::sqrt(random.uniform());
    const double angle = random.uniform(0, kTurn);
    const Point at{center.x + reach * std::cos(angle), center.y + reach * std::sin(angle)};
    const double light = 0.35 + 0.5 * i / count + 0.3 * random.uniform() - 0.3 * (at.y - center.y) / radius;
    canvas.ellipse(at, size * random.uniform(0.6, 1.3), size * slim, random.uniform(0, kTurn));
    canvas.fill(darker(base, light));
  }
}

void draw_outlined(Canvas& canvas, Random& random, const Filler& filler, Point center, double radius) {
  const double width = std::max(0.9, radius * random.log_uniform(0.01, 0.06));
  add_shape(canvas, random, center, radius);
  if (random.chance(0.3)) {
    canvas.fill_keep(filler.gradient(random, center, radius));
  } else {
    canvas.fill_keep(filler.flat(random));
  }
  canvas.stroke(random.chance(0.85) ? Color{0.04F, 0.04F, 0.05F} : filler.palette().color(random),
                std::min(width, 5.0));
}

void draw_hatching(Canvas& canvas, Random& random, Point center, double radius) {
  const double angle = random.uniform(0, kTurn);
  const double gap = random.uniform(3, 9);
  const Point u{std::cos(angle), std::sin(angle)};
  for (double t = -radius; t < radius; t += gap) {
    const double half = std::sqrt(radius * radius - t * t) * random.uniform(0.7, 1);
    const std::array line = {Point{center.x - u.y * t - u.x * half, center.y + u.x * t - u.y * half},
                             Point{center.x - u.y * t + u.x * half, center.y + u.x * t + u.y * half}};
    canvas.polyline(line);
  }
  canvas.stroke(Color{0.05F, 0.05F, 0.06F}, random.uniform(0.7, 0.3 * gap));
}

}  // namespace fmboost::drawing
