#include <numbers>

#include "drawing/canvas.h"
#include "drawing/lettering.h"
#include "drawing/pattern.h"

namespace fmboost::drawing {
namespace {

constexpr int n = kPatternSide;

Color grey(double v) {
  return {static_cast<float>(v), static_cast<float>(v), static_cast<float>(v)};
}

Plane red_of(Canvas& canvas) {
  Plane plane(n, n);
  for (int y = 0; y < n; ++y) {
    const std::uint32_t* in = canvas.row(y);
    for (int x = 0; x < n; ++x) {
      plane.row(y)[x] = static_cast<float>((in[x] >> 16) & 0xffU) * (1.0F / 255);
    }
  }
  return plane;
}

}  // namespace

Plane lettering_pattern(Random& random) {
  Canvas canvas(n, n);
  const Alphabet alphabet(random);
  alphabet.write_block(canvas, random, {2, 0}, n - 4, n, random.log_uniform(7, 40), Color{1, 1, 1});
  return red_of(canvas);
}

Plane foliage_pattern(Random& random) {
  Canvas canvas(n, n);
  canvas.paint(grey(random.uniform(0, 0.4)));
  const double size = random.log_uniform(4, 20);
  const double slim = random.uniform(0.2, 0.7);
  const double upright = random.uniform(0, std::numbers::pi);
  const double spread = random.uniform(0.2, 1.6);
  const int count = static_cast<int>(std::min(900.0, 0.7 * n * n / (size * size)));
  for (int i = 0; i < count; ++i) {
    const Point center{random.uniform(0, n), random.uniform(0, n)};
    const double length = size * random.uniform(0.6, 1.4);
    canvas.ellipse(center, length, length * slim, upright + spread * random.normal());
    canvas.fill(grey(random.uniform(0.1, 0.4 + 0.6 * i / count)));  // the upper ones catch more light
  }
  return red_of(canvas);
}

Plane random_pattern(Random& random) {
  using Maker = Plane (*)(Random&);
  static constexpr Maker makers[] = {noise_pattern, noise_pattern, noise_pattern,     hair_pattern,
                                     hair_pattern,  cell_pattern,  stripe_pattern,    stripe_pattern,
                                     cloth_pattern, cloth_pattern, brick_pattern,     brick_pattern,
                                     dot_pattern,   ring_pattern,  lettering_pattern, foliage_pattern};
  return random.choice(makers)(random);
}

}  // namespace fmboost::drawing
