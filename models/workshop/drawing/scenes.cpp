#include "drawing/scenes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "drawing/noise_field.h"
#include "drawing/shape.h"

namespace fmboost::drawing {
namespace {

Point anywhere(Canvas& canvas, Random& random) {
  return {random.uniform(0, canvas.width()), random.uniform(0, canvas.height())};
}

Box whole(const Canvas& canvas) {
  return {0, 0, canvas.width(), canvas.height()};
}

// Sky: lighter towards the horizon, clouds at times.
void draw_sky(Canvas& canvas, Random& random, const Filler& filler) {
  const double h = canvas.height();
  const Color top = random.chance(0.6)
                        ? hsv(0.58 + 0.03 * random.normal(), random.uniform(0.1, 0.7), random.uniform(0.4, 0.95))
                        : filler.palette().color(random);
  const Color low = mix(top, {1, 1, 1}, static_cast<float>(random.uniform(0, 0.7)));
  const std::array stops = {Stop{0, top}, Stop{1, low}};
  canvas.paint(Paint::linear({0, 0}, {random.uniform(-0.3, 0.3) * h, h * random.uniform(0.5, 1)}, stops));
  if (random.chance(0.4)) {
    Plane clouds =
        noise_field(random.chance(0.5) ? Noise::clouds : Noise::smooth).sample(random, canvas.width(), canvas.height());
    const auto threshold = static_cast<float>(random.uniform(0.3, 0.6));
    const auto edge = static_cast<float>(random.uniform(1, 4));
    for (auto& v : clouds.values) {
      v = (v - threshold) * edge;
    }
    canvas.fill_mask(mix(low, {1, 1, 1}, 0.6F), clouds, 0, 0);
  }
}

void draw_ground(Canvas& canvas, Random& random, const Filler& filler) {
  const double kind = random.uniform();
  const Point center{0.5 * canvas.width(), 0.5 * canvas.height()};
  if (kind < 0.25) {
    draw_sky(canvas, random, filler);
  } else if (kind < 0.3) {
    canvas.paint(filler.gradient(random, center, canvas.width() * 0.7));
  } else {
    canvas.paint(kind < 0.6 ? filler.plain(random, whole(canvas)) : filler.textured(random, whole(canvas)));
    if (random.chance(0.5)) {
      canvas.paint(Filler::shading(random, center, canvas.width() * 0.7));
    }
  }
}

// Its edge is out of focus: drawn through a blurred mask.
void draw_soft_shape(Canvas& canvas, Random& random, const Filler& filler, Point center, double radius) {
  const double blur = std::min(random.uniform(1, 5), radius * 0.3);
  const int side = 2 * static_cast<int>(radius + 3 * blur + 2);
  Canvas stencil(side, side);
  add_shape(stencil, random, {0.5 * side, 0.5 * side}, radius);
  stencil.fill(Color{1, 1, 1});
  Plane mask(side, side);
  for (int y = 0; y < side; ++y) {
    const std::uint32_t* in = stencil.row(y);
    for (int x = 0; x < side; ++x) {
      mask.row(y)[x] = static_cast<float>(in[x] & 0xffU) * (1.0F / 255);
    }
  }
  for (int pass = 0; pass < 2; ++pass) {
    box_blur(mask, static_cast<int>(std::lround(blur)));
  }
  canvas.fill_mask(filler.any(random, canvas, center, 0.5 * side), mask, static_cast<int>(center.x - 0.5 * side),
                   static_cast<int>(center.y - 0.5 * side));
}

// Without an outline of its own: what stands close to a surface darkens it.
void draw_shadow(Canvas& canvas, Random& random, Point center, double radius) {
  const double reach = radius * random.uniform(1.1, 1.5);
  const Point at{center.x + radius * random.uniform(-0.3, 0.3), center.y + radius * random.uniform(0, 0.4)};
  const std::array stops = {Stop{0.5, {}, random.uniform(0.2, 0.7)}, Stop{1, {}, 0}};
  canvas.circle(at, reach);
  canvas.fill(Paint::radial(at, reach, stops));
}

void draw_shape(Canvas& canvas, Random& random, const Filler& filler, Point center, double radius) {
  if (random.chance(0.1) && radius > 5 && radius < 90) {
    draw_soft_shape(canvas, random, filler, center, radius);
    return;
  }
  if (radius > 12 && random.chance(0.3)) {
    draw_shadow(canvas, random, center, radius);
  }
  add_shape(canvas, random, center, radius);
  canvas.fill_keep(filler.any(random, canvas, center, radius));
  if (random.chance(0.35)) {
    canvas.fill_keep(Filler::shading(random, center, radius));
  }
  if (random.chance(0.12)) {
    const double dark = random.chance(0.7) ? random.uniform(0, 0.4) : 1.6;
    canvas.stroke(clamped(filler.palette().color(random) * static_cast<float>(dark)), random.log_uniform(0.7, 3));
  } else {
    canvas.discard_path();
  }
}

void draw_detail(Canvas& canvas, Random& random, const Filler& filler) {
  const double size = random.log_uniform(0.05, 0.35) * canvas.width();
  const Point at = anywhere(canvas, random);
  const double height = size * random.uniform(0.4, 1.4);
  switch (random.below(12)) {
    case 0:
    case 1:
      draw_tuft(canvas, random, filler.palette(), at, size);
      break;
    case 2:
      draw_facade(canvas, random, filler.palette(), at, size, height);
      break;
    case 3:
      draw_sign(canvas, random, filler.palette(), at, size * 1.5, height);
      break;
    case 4:
      draw_wires(canvas, random, filler.palette());
      break;
    case 5:
      draw_foliage(canvas, random, filler.palette(), at, size * 0.6);
      break;
    case 7:
      draw_branches(canvas, random, filler.palette(), at, size);
      break;
    case 8:
    case 9:
      draw_flower(canvas, random, filler.palette(), at, size * 0.5);
      break;
    case 10:
      draw_chart(canvas, random, filler.palette(), at, size * 1.2, height);
      break;
    case 6:
      draw_fur(canvas, random, filler.palette(), at, size * 0.6);
      break;
    default:
      draw_outlined(canvas, random, filler, at, size * 0.6);
  }
}

// Signs, outlined and hatched shapes, bubbles, frames.
void draw_comic(Canvas& canvas, Random& random, const Filler& filler) {
  const double side = canvas.width();
  for (int i = random.integer(0, 5); i > 0; --i) {
    const Point corner = anywhere(canvas, random);
    draw_sign(canvas, random, filler.palette(), {corner.x - 0.2 * side, corner.y - 0.1 * side},
              side * random.uniform(0.15, 0.8), side * random.uniform(0.05, 0.5));
  }
  const int shapes = random.integer(4, 60);
  for (int i = 0; i < shapes; ++i) {  // the larger ones first
    const double radius = side * random.log_uniform(0.01, 0.05 + 0.25 * (shapes - i) / shapes);
    draw_outlined(canvas, random, filler, anywhere(canvas, random), radius);
    if (random.chance(0.15)) {
      draw_hatching(canvas, random, anywhere(canvas, random), side * random.log_uniform(0.02, 0.12));
    }
  }
  for (int i = random.integer(0, 4); i > 0; --i) {
    draw_bubble(canvas, random, anywhere(canvas, random), side * random.uniform(0.08, 0.25));
  }
  if (random.chance(0.4)) {
    canvas.rectangle({side * random.uniform(-0.2, 0.4), side * random.uniform(-0.2, 0.4)},
                     side * random.uniform(0.3, 1.2), side * random.uniform(0.3, 1.2));
    canvas.stroke(Color{0.03F, 0.03F, 0.03F}, random.uniform(1, 6));
  }
}

void draw_details(Canvas& canvas, Random& random, const Filler& filler, int count) {
  for (int i = 0; i < count; ++i) {
    draw_detail(canvas, random, filler);
  }
}

}  // namespace

void draw_shapes(Canvas& canvas, Random& random, const Filler& filler, const Leaves& leaves) {
  const double small_share = random.chance(0.5) ? 0 : 0.5;
  std::vector<std::pair<double, double>> order;  // by size, but not strictly
  for (int i = 0; i < leaves.count; ++i) {
    double r = random.log_uniform(leaves.smallest, leaves.largest);
    if (random.chance(small_share)) {
      r = 1 / (1 / leaves.smallest + random.uniform() * (1 / leaves.largest - 1 / leaves.smallest));
    }
    order.emplace_back(-r * random.uniform(0.4, 1), r);
  }
  std::sort(order.begin(), order.end());
  std::vector<Point> clusters(static_cast<std::size_t>(random.integer(1, 4)));
  for (auto& cluster : clusters) {
    cluster = anywhere(canvas, random);
  }
  const double gathered = random.uniform(0, 0.9);
  for (const auto& [key, radius] : order) {
    Point at = anywhere(canvas, random);
    if (random.chance(gathered)) {
      const Point& cluster = random.choice(clusters);
      const double spread = 0.15 * canvas.width();
      at = {cluster.x + spread * random.normal(), cluster.y + spread * random.normal()};
    }
    draw_shape(canvas, random, filler, at, radius);
  }
}

void draw_clutter(Canvas& canvas, Random& random, const Filler& filler) {
  const double side = canvas.width();
  draw_ground(canvas, random, filler);
  if (random.chance(0.25)) {
    draw_shapes(canvas, random, filler, {random.integer(10, 60), side * 0.03, side * 0.4});
    gaussian_blur(canvas, random.uniform(2, 8));  // what lies behind is out of focus
  }
  const int count = static_cast<int>(random.log_uniform(24, 400));
  draw_shapes(canvas, random, filler, {count, 2, side * random.uniform(0.12, 0.5)});
  draw_details(canvas, random, filler, random.integer(0, 6));
  draw_shapes(canvas, random, filler, {count / 4, 1.5, side * 0.1});
}

void draw_outdoors(Canvas& canvas, Random& random, const Filler& filler) {
  const double side = canvas.width();
  draw_sky(canvas, random, filler);
  const double horizon = side * random.uniform(0.3, 0.85);
  const Palette& palette = filler.palette();
  for (int i = random.integer(0, 8); i > 0; --i) {
    const double width = side * random.uniform(0.05, 0.25);
    const double height = side * random.uniform(0.05, 0.5);
    draw_facade(canvas, random, palette, {random.uniform(-0.1, 1) * side, horizon - height}, width,
                height + side * 0.02);
  }
  for (int i = random.integer(0, 6); i > 0; --i) {
    const double radius = side * random.uniform(0.03, 0.2);
    draw_foliage(canvas, random, palette, {random.uniform(0, side), horizon - 0.5 * radius}, radius);
  }
  canvas.rectangle({0, horizon}, side, side - horizon);
  canvas.fill_keep(filler.textured(random, whole(canvas)));
  const std::array haze = {Stop{0, {1, 1, 1}, random.uniform(0, 0.5)}, Stop{0.5, {}, 0},
                           Stop{1, {}, random.uniform(0, 0.5)}};
  canvas.fill(Paint::linear({0, horizon}, {0, side}, haze));
  for (int i = random.chance(0.5) ? random.integer(1, 3) : 0; i > 0; --i) {
    const Point root{random.uniform(0, side), random.uniform(horizon, side)};
    draw_branches(canvas, random, palette, root, side * random.uniform(0.2, 0.8));
  }
  for (int i = random.integer(0, 12); i > 0; --i) {
    draw_tuft(canvas, random, palette, {random.uniform(0, side), random.uniform(horizon, side)},
              side * random.uniform(0.03, 0.15));
  }
  draw_details(canvas, random, filler, random.integer(0, 3));
  draw_shapes(canvas, random, filler, {random.integer(0, 40), 2, side * 0.15});
}

void draw_print(Canvas& canvas, Random& random, const Filler& filler) {
  const double side = canvas.width();
  const Palette& palette = filler.palette();
  const bool paper = random.chance(0.5);
  canvas.paint(paper ? Paint(Color{0.97F, 0.97F, 0.95F}) : filler.gradient(random, {side / 2, side / 2}, side * 0.7));
  if (random.chance(0.35)) {
    draw_slide(canvas, random, palette, {0, 0}, side, side * random.uniform(0.6, 1));
  } else {
    draw_comic(canvas, random, filler);
  }
  for (int i = random.integer(0, 4); i > 0; --i) {
    draw_wires(canvas, random, palette);
  }
  for (int i = random.integer(0, 3); i > 0; --i) {
    const double height = side * random.uniform(0.04, 0.15);
    draw_sign(canvas, random, palette, anywhere(canvas, random), side * random.uniform(0.1, 0.4), height);
  }
}

void draw_closeup(Canvas& canvas, Random& random, const Filler& filler) {
  const double side = canvas.width();
  canvas.paint(filler.textured(random, whole(canvas)));
  for (int i = random.integer(0, 4); i > 0; --i) {  // large parts in other materials, cut by smooth edges
    const Point center = anywhere(canvas, random);
    const double radius = side * random.uniform(0.3, 0.7);
    add_shape(canvas, random, center, radius);
    canvas.fill_keep(filler.textured(random, box_around(canvas, center, radius)));
    canvas.fill(Filler::shading(random, center, radius));
  }
  canvas.paint(Filler::shading(random, anywhere(canvas, random), side));
  if (random.chance(0.35)) {
    draw_fur(canvas, random, filler.palette(), anywhere(canvas, random), side * random.uniform(0.25, 0.7));
  }
  const int tufts = random.chance(0.4) ? random.integer(5, 25) : 0;
  for (int i = 0; i < tufts; ++i) {
    draw_tuft(canvas, random, filler.palette(), anywhere(canvas, random), side * random.uniform(0.06, 0.25));
  }
  draw_shapes(canvas, random, filler, {random.integer(0, 30), 2, side * 0.15});
}

}  // namespace fmboost::drawing
