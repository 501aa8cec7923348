#include "drawing/lettering.h"

#include <algorithm>
#include <cairo.h>
#include <cmath>
#include <numbers>

namespace fmboost::drawing {
namespace {

constexpr double kXHeight = 0.68;

std::vector<Point> arc(double x, double y, double rx, double ry, double from, double to) {
  std::vector<Point> points;
  for (int i = 0; i <= 8; ++i) {
    const double angle = 2 * std::numbers::pi * (from + (to - from) * i / 8);
    points.push_back({x + rx * std::cos(angle), y + ry * std::sin(angle)});
  }
  return points;
}

}  // namespace

Alphabet::Alphabet(Random& random)
    : weight_(random.log_uniform(0.08, 0.2)),
      contrast_(random.chance(0.6) ? 1 : random.uniform(0.35, 0.9)),
      slant_(random.chance(0.8) ? 0 : random.uniform(0.1, 0.3)),
      serifs_(random.chance(0.3)) {
  for (int i = 0; i < 24; ++i) {
    glyphs_.push_back(make_glyph(random));
  }
}

// In units of the letter size, upward from the baseline.
Alphabet::Glyph Alphabet::make_glyph(Random& random) const {
  Glyph glyph;
  const double w = glyph.width = random.uniform(0.36, 0.56);
  const bool tall = random.chance(0.3);
  const double top = tall ? 1 : kXHeight;
  const double foot = random.chance(0.12) ? -0.3 : 0;
  const auto line = [&](Point a, Point b) { glyph.strokes.push_back({{a, b}, false}); };
  const auto stem = [&](double x, double low, double high) {
    line({x, low}, {x, high});
    if (serifs_) {
      line({x - 0.09, low}, {x + 0.09, low});
    }
  };
  const auto bowl = [&](double from, double to) {
    glyph.strokes.push_back({arc(w / 2, kXHeight / 2, w / 2, kXHeight / 2, from, to), true});
  };
  switch (random.below(10)) {
    case 0:  // o, c, e
      bowl(0, 1);
      break;
    case 1:
      bowl(0.12, 0.88);
      break;
    case 2:
      bowl(0, 0.88);
      line({0, kXHeight / 2}, {w, kXHeight / 2});
      break;
    case 3:  // b, d, p, q
      stem(random.chance(0.5) ? 0 : w, foot, foot == 0 ? 1 : kXHeight);
      bowl(0, 1);
      break;
    case 4:  // n, h
      stem(0, 0, top);
      glyph.strokes.push_back({arc(w / 2, kXHeight * 0.62, w / 2, kXHeight * 0.38, 0.5, 0), true});
      stem(w, 0, kXHeight * 0.62);
      break;
    case 5:  // u
      stem(w, 0, kXHeight);
      glyph.strokes.push_back({arc(w / 2, kXHeight * 0.38, w / 2, kXHeight * 0.38, 0.5, 1), true});
      line({0, kXHeight * 0.38}, {0, kXHeight});
      break;
    case 6:  // i, l, t
      glyph.width = 0.14;
      stem(0.07, 0, top);
      if (!tall) {
        line({0.07, 0.9}, {0.07, 0.92});
      } else if (random.chance(0.5)) {
        line({-0.08, kXHeight}, {0.22, kXHeight});
      }
      break;
    case 7:  // v, x
      line({0, top}, {w / 2, 0});
      line({w / 2, 0}, {w, top});
      break;
    case 8:  // z, E, H, T
      line({0, top}, {w, top});
      line({w, top}, {0, 0});
      line({0, 0}, {w, 0});
      break;
    default:
      stem(0, 0, 1);
      for (const double y : {0.0, 0.5, 1.0}) {
        if (random.chance(0.6)) {
          line({0, y}, {w * 0.9, y});
        }
      }
      if (random.chance(0.4)) {
        stem(w, 0, 1);
      }
  }
  return glyph;
}

void Alphabet::write(Canvas& canvas, Random& random, Point start, double length, double size,
                     const Paint& paint) const {
  const double gap = (0.14 + weight_) * size;
  const double end = start.x + length;
  double x = start.x;
  for (int letters = random.integer(1, 9); x < end; --letters) {
    if (letters == 0) {
      x += 0.4 * size;
      letters = random.integer(1, 9);
    }
    const Glyph& glyph = random.choice(glyphs_);
    if (x + glyph.width * size > end) {
      break;
    }
    for (const auto& stroke : glyph.strokes) {
      std::vector<Point> points = stroke.points;
      for (auto& p : points) {
        p = {x + (p.x + slant_ * p.y) * size, start.y - p.y * size};
      }
      stroke.curved ? canvas.smooth_line(points) : canvas.polyline(points);
    }
    x += glyph.width * size + gap;
  }
  cairo_t* context = canvas.context();
  cairo_save(context);
  cairo_scale(context, 1, contrast_);  // scales the pen only: the path exists already
  canvas.stroke(paint, std::max(0.5, weight_ * size));
  cairo_restore(context);
}

void Alphabet::write_block(Canvas& canvas, Random& random, Point corner, double width, double height, double size,
                           const Paint& paint) const {
  const double leading = size * random.uniform(1.5, 2.2);
  const bool ragged = random.chance(0.6);
  for (double y = corner.y + size; y < corner.y + height; y += leading) {
    const double share = ragged || random.chance(0.15) ? random.uniform(0.5, 1) : 1;
    write(canvas, random, {corner.x, y}, width * share, size, paint);
    y += random.chance(0.1) ? leading * 0.6 : 0;
  }
}

}  // namespace fmboost::drawing
