#include <numbers>
#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

struct Spot {
  float u = 0;  ///< across
  float v = 0;  ///< away
  float footprint = 0;
};

// Brightness and tint of the ground at a point of the plane, around 1.
Color ground_tone(const Stage& stage, const Spot& at, std::uint32_t seed) {
  const float patches = fractal_noise(at.u * 1.1F, at.v * 1.1F, seed, at.footprint * 1.1F, {.count = 3});
  switch (stage.scene.ground) {
    case ColorName::white: {
      const float drift =
          fractal_noise(at.u * 1.3F, at.v * 2.2F, seed + 1, at.footprint * 2.2F, {.count = 4, .gain = 0.45F});
      const float grain = fractal_noise(at.u * 60, at.v * 60, seed + 2, at.footprint * 60, {.count = 3, .gain = 0.8F});
      const float shadow = std::clamp(0.5F - 0.75F * drift, 0.0F, 1.0F);
      return mix(Color{1.0F, 1.0F, 1.0F}, Color{.77F, .85F, .96F}, shadow) * (1 + 0.05F * grain);
    }
    case ColorName::brown: {
      const float bend = fractal_noise(at.u * 1.7F, at.v * 1.7F, seed + 1, at.footprint * 1.7F, {.count = 3});
      const float fine = std::clamp(1.2F - at.footprint * 7, 0.0F, 1.0F);
      const float ripple = std::sin((at.v * 7 + at.u * 1.5F + 1.6F * bend) * 2 * std::numbers::pi_v<float>) * fine;
      const float grain = fractal_noise(at.u * 50, at.v * 50, seed + 2, at.footprint * 50, {.count = 4, .gain = 0.8F});
      const float tone = 1.18F + 0.25F * patches + 0.09F * ripple + 0.11F * grain;
      return Color{1.06F, 1.0F, .92F} * tone;
    }
    case ColorName::golden: {
      const float ears = fractal_noise(at.u * 48, at.v * 13, seed + 2, at.footprint * 24, {.count = 5, .gain = 0.75F});
      const float wind = fractal_noise(at.u * 1.5F, at.v * 4, seed + 1, at.footprint * 4, {.count = 3});
      return Color{1.0F, .97F, .9F} * (1 + 0.16F * wind + 0.2F * patches + 0.26F * ears);
    }
    default: {
      const float blades =
          fractal_noise(at.u * 70, at.v * 19, seed + 2, at.footprint * 34, {.count = 5, .gain = 0.75F});
      const float tufts = fractal_noise(at.u * 9, at.v * 9, seed + 1, at.footprint * 9, {.count = 3, .gain = 0.6F});
      const float tone = 1 + 0.13F * patches + 0.13F * tufts + 0.27F * blades;
      // Dry and lush patches.
      return Color{1 + 0.34F * patches, 1 + 0.06F * patches, 1 - 0.12F * patches} * tone;
    }
  }
}

std::vector<float> tops_of(const Stage& stage, const Ridge& ridge) {
  std::vector<float> tops(static_cast<std::size_t>(stage.size));
  for (int i = 0; i < stage.size; ++i) {
    tops[static_cast<std::size_t>(i)] = ridge.at((static_cast<float>(i) + 0.5F) * stage.pixel);
  }
  return tops;
}

Color lit_ground(const Stage& stage, Color paint, float tone, float distance) {
  const Color light = stage.snowy() ? stage.light_on_snow() : stage.light;
  return clamped(mix(paint * light * tone, stage.haze, stage.snowy() ? 0.6F * distance : distance));
}

void draw_hill(Stage& stage, const Ridge& ridge, float distance, float shade_of_hill, std::uint32_t seed) {
  const std::vector<float> tops = tops_of(stage, ridge);
  const float highest = *std::min_element(tops.begin(), tops.end());
  const Color paint = color_of(stage.scene.ground);
  const int last = stage.size - 1;
  const int step = std::max(1, stage.size / 32);
  shade(stage, {0, highest, 1, stage.layout.horizon + 0.12F}, [&](float x, float y) {
    const int i = static_cast<int>(x * static_cast<float>(stage.size));
    const float top = tops[static_cast<std::size_t>(i)];
    const float alpha = coverage(stage, y - top);
    if (alpha <= 0) {
      return Shade{{}, 0};
    }
    const int from = std::max(0, i - step);
    const int to = std::min(last, i + step);
    const float slope = (tops[static_cast<std::size_t>(to)] - tops[static_cast<std::size_t>(from)]) /
                        (static_cast<float>(to - from) * stage.pixel);
    const float below = y - top;
    const float depth = 0.12F + 1.1F * below;
    const Spot at{(x - 0.5F) / depth * 0.6F, 0.6F / depth, stage.pixel * 0.6F / depth * std::max(1.0F, 0.5F / depth)};
    const float side = std::clamp(-slope * stage.sun_x * 0.5F, -0.22F, 0.22F);
    const float light = shade_of_hill + side + 0.12F * (1 - smooth_step(0, 0.05F, below));
    return Shade{lit_ground(stage, paint * ground_tone(stage, at, seed), light, distance), alpha};
  });
}

}  // namespace

void draw_hills(Stage& stage) {
  std::uint32_t part = 41;
  float distance = 0.26F;
  float tone = 0.92F;
  for (const auto& ridge : stage.layout.hills) {
    draw_hill(stage, ridge, distance, tone, stage.seed(part));
    part += 1;
    distance -= 0.12F;
    tone -= 0.06F;
  }
}

void draw_ground(Stage& stage) {
  const std::vector<float> tops = tops_of(stage, stage.layout.ground);
  const float highest = *std::min_element(tops.begin(), tops.end());
  const Color paint = color_of(stage.scene.ground);
  const float horizon = stage.layout.horizon;
  const std::uint32_t seed = stage.seed(45);
  shade(stage, {0, highest, 1, 1}, [&](float x, float y) {
    const float alpha = coverage(stage, y - tops[static_cast<std::size_t>(x * static_cast<float>(stage.size))]);
    if (alpha <= 0) {
      return Shade{{}, 0};
    }
    const float depth = std::max(0.04F, y - horizon + 0.07F);
    const Spot at{(x - 0.5F) / depth, 1 / depth, stage.pixel / depth * std::max(1.0F, 0.4F / depth)};
    const float near = (y - horizon) / (1 - horizon);
    const Color tone = ground_tone(stage, at, seed) * (1.06F - 0.16F * near * near);
    return Shade{lit_ground(stage, paint * tone, 1, stage.distance(y)), alpha};
  });
}

void draw_flowers(Stage& stage) {
  if (!stage.scene.flowers) {
    return;
  }
  Random random(stage.scene.seed, "flowers");
  const Color paint = color_of(*stage.scene.flowers);
  const float horizon = stage.layout.horizon;
  std::vector<std::array<double, 4>> flowers(320);
  for (auto& [y, x, tone, turn] : flowers) {
    y = random.uniform(horizon + 0.07, 1.01);
    x = random.uniform();
    tone = random.uniform(0.82, 1.12);
    turn = random.uniform(0, 6.28);
  }
  std::sort(flowers.begin(), flowers.end());
  for (const auto& [y, x, tone, turn] : flowers) {
    if (stage.layout.lake.holds(static_cast<float>(x), static_cast<float>(y), 0.02F)) {
      continue;
    }
    const double near = (y - horizon) / (1 - horizon);
    const double r = 0.0022 + 0.0085 * near;
    const Color color = stage.lit(paint, static_cast<float>(tone));
    if (r * stage.size < 2.5) {
      stage.canvas.ellipse({x, y}, r, 0.8 * r);
      stage.canvas.fill(color);
      continue;
    }
    stage.canvas.polyline(std::array<Point, 2>{{{x, y}, {x + 0.3 * r * std::cos(turn), y + 3 * r}}});
    stage.canvas.stroke(stage.lit(Color{.16F, .36F, .1F}), 0.25 * r);
    for (int petal = 0; petal < 5; ++petal) {
      const double angle = turn + petal * 1.2566;
      stage.canvas.ellipse({x + 0.55 * r * std::cos(angle), y + 0.45 * r * std::sin(angle)}, 0.52 * r, 0.44 * r);
      stage.canvas.fill(color * (petal % 2 == 0 ? 1.0F : 0.92F));
    }
    stage.canvas.circle({x, y}, 0.26 * r);
    stage.canvas.fill(
        stage.lit(stage.scene.flowers == ColorName::yellow ? Color{.62F, .4F, .1F} : Color{.95F, .8F, .2F}));
  }
}

}  // namespace fmboost::drawing
