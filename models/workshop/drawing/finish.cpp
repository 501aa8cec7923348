#include "drawing/finish.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "drawing/noise_field.h"

namespace fmboost::drawing {
namespace {

using Planes = std::array<Plane, 3>;

Planes planes_of(Canvas& canvas) {
  Planes planes;
  planes.fill(Plane(canvas.width(), canvas.height()));
  for (int y = 0; y < canvas.height(); ++y) {
    const std::uint32_t* in = canvas.row(y);
    for (int x = 0; x < canvas.width(); ++x) {
      const Color c = unpack(in[x]);
      planes[0].row(y)[x] = c.r;
      planes[1].row(y)[x] = c.g;
      planes[2].row(y)[x] = c.b;
    }
  }
  return planes;
}

void light(Planes& planes, Random& random) {
  const NoiseField& field = noise_field(random.chance(0.6) ? Noise::smooth : Noise::clouds);
  const Plane shadows = field.sample(random, planes[0].width, planes[0].height);
  const auto depth = static_cast<float>(random.uniform(0.3, 1.1));
  for (auto& plane : planes) {
    for (std::size_t i = 0; i < plane.values.size(); ++i) {
      plane.values[i] *= 1 + depth * (shadows.values[i] - 0.5F);
    }
  }
}

void bend_tones(Planes& planes, Random& random) {
  const double gamma = random.log_uniform(0.6, 1.7);
  std::array<float, 1024> table;
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<float>(std::pow(static_cast<double>(i) / 1023, gamma));
  }
  for (auto& plane : planes) {
    for (auto& v : plane.values) {
      v = table[static_cast<std::size_t>(std::clamp(v, 0.0F, 1.0F) * 1023)];
    }
  }
}

// A lens blurs, and a camera undoes part of it by sharpening.
void focus(Planes& planes, Random& random) {
  const double sigma = random.chance(0.9) ? random.uniform(0.35, 0.9) : random.uniform(0.9, 2);
  const auto sharpening = static_cast<float>(random.chance(0.3) ? random.uniform(0.3, 1.5) : 0);
  for (auto& plane : planes) {
    const Plane sharp = sharpening > 0 ? plane : Plane();
    gaussian_blur(plane, sigma);
    for (std::size_t i = 0; i < sharp.values.size(); ++i) {
      plane.values[i] = sharp.values[i] + sharpening * (sharp.values[i] - plane.values[i]);
    }
  }
}

}  // namespace

void finish(Canvas& canvas, Random& random) {
  const bool lit = random.chance(0.4);
  const bool bent = random.chance(0.3);
  const bool focused = random.chance(0.8);
  if (!lit && !bent && !focused) {
    return;
  }
  Planes planes = planes_of(canvas);
  if (lit) {
    light(planes, random);
  }
  if (bent) {
    bend_tones(planes, random);
  }
  if (focused) {
    focus(planes, random);
  }
  canvas.set_planes(planes[0], planes[1], planes[2]);
}

}  // namespace fmboost::drawing
