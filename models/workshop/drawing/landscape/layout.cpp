#include <algorithm>
#include <cmath>

#include "drawing/landscape.h"
#include "drawing/landscape/noise.h"
#include "drawing/landscape/placing.h"
#include "drawing/random.h"

namespace fmboost::drawing {
namespace {

float draw(Random& random, double low, double high) {
  return static_cast<float>(random.uniform(low, high));
}

Ridge make_ridge(Random& random, float level, float amplitude, float frequency, float gain) {
  return {level, amplitude, frequency, gain, static_cast<std::uint32_t>(random.next())};
}

Lake make_lake(Random& random, float horizon) {
  Lake lake;
  lake.top = horizon + draw(random, 0.095, 0.105);
  lake.bottom = std::min(lake.top + draw(random, 0.19, 0.25), 0.915F);
  lake.center = draw(random, 0.35, 0.65);
  lake.half_width = draw(random, 0.36, 0.6);
  return lake;
}

}  // namespace

float Ridge::at(float x) const {
  float y = level;
  float f = frequency;
  float a = amplitude;
  for (std::uint32_t i = 0; i < 7; ++i, f *= 2.03F, a *= gain) {
    y += 0.5F * a * line_noise(x * f + 5, seed + i * 0x9e37U);
  }
  return y;
}

float covered(const Box& box, const Box& other) {
  const Box both{std::max(box.left, other.left), std::max(box.top, other.top), std::min(box.right, other.right),
                 std::min(box.bottom, other.bottom)};
  return box.area() > 0 ? both.area() / box.area() : 0;
}

float Lake::half_width_at(float y) const {
  const float t = bottom > top ? (2 * y - top - bottom) / (bottom - top) : 1;
  return t * t < 1 ? half_width * std::sqrt(1 - t * t) : 0;
}

bool Lake::holds(float x, float y, float margin) const {
  if (bottom <= top) {
    return false;
  }
  const float dx = (x - center) / (half_width + margin);
  const float dy = (2 * y - top - bottom) / (bottom - top + 2 * margin);
  return dx * dx + dy * dy < 1;
}

Layout layout_of(const Scene& scene) {
  Layout layout;
  Random random(scene.seed, "land");
  layout.horizon = draw(random, scene.lake ? 0.49 : 0.5, scene.lake ? 0.57 : 0.62);
  const float hz = layout.horizon;
  if (scene.mountains) {
    for (const float far : {1.0F, 0.0F}) {
      const float frequency = draw(random, 2.2, 4.2);
      layout.mountains.push_back(make_ridge(random, hz - 0.13F - 0.07F * far, 0.2F + 0.08F * far, frequency, 0.5F));
    }
  }
  if (scene.hills) {
    for (const float near : {0.0F, 1.0F}) {
      const float frequency = draw(random, 1.6, 2.8);
      layout.hills.push_back(make_ridge(random, hz - 0.05F + 0.055F * near, 0.15F, frequency, 0.3F));
    }
  }
  layout.ground = make_ridge(random, hz + 0.045F - (scene.hills ? 0.0F : 0.03F), 0.015F, 3, 0.4F);
  if (scene.lake) {
    layout.lake = make_lake(random, hz);
  }
  place_items(scene, layout);
  return layout;
}

}  // namespace fmboost::drawing
