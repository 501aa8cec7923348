#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// The height of the ridge in each column of the image.
std::vector<float> tops_of(const Stage& stage, const Ridge& ridge) {
  std::vector<float> tops(static_cast<std::size_t>(stage.size));
  for (int i = 0; i < stage.size; ++i) {
    tops[static_cast<std::size_t>(i)] = ridge.at((static_cast<float>(i) + 0.5F) * stage.pixel);
  }
  return tops;
}

void draw_range(Stage& stage, const Ridge& ridge, float distance, float snow_line, std::uint32_t seed) {
  const std::vector<float> tops = tops_of(stage, ridge);
  const float highest = *std::min_element(tops.begin(), tops.end());
  const Color paint = color_of(*stage.scene.mountains);
  const Color rock = mix(paint, Color{1, 1, 1} * luma(paint), 0.15F);
  const float footprint = stage.pixel * 8;
  const bool caps = stage.scene.snow_caps;
  const Octaves relief{.count = 7, .gain = 0.5F, .ridged = true};
  shade(stage, {0, highest, 1, stage.layout.horizon + 0.09F}, [&](float x, float y) {
    const auto column = static_cast<std::size_t>(x * static_cast<float>(stage.size));
    const float below = y - tops[column];
    const float alpha = coverage(stage, below);
    if (alpha <= 0) {
      return Shade{{}, 0};
    }
    // Gullies run down from the crest: the relief is stretched vertically and tilts toward and away from the light.
    const float lean = 0.25F * gradient_noise(x * 5, 0.5F, seed + 3);
    const float u = (x + lean * below) * 8;
    const float v = y * 6;
    const float here = fractal_noise(u, v, seed, footprint, relief);
    const float there = fractal_noise(u + 0.1F * stage.sun_x, v - 0.07F, seed, footprint, relief);
    const float rise = (here - there) * 2;
    const float slope = 0.75F * rise / (1 + std::abs(rise));
    const float light = 0.86F + slope + 0.1F * here;
    const float foot = smooth_step(0.02F, 0.3F, below) * 0.22F;  // more haze at the foot
    Color color = stage.lit(rock, light, std::min(1.0F, distance + foot));
    if (caps) {
      const float line = snow_line + 0.05F * here + 0.03F * gradient_noise(x * 9, y * 9, seed + 7);
      const float snow = smooth_step(-0.012F, 0.012F, line - y - 0.05F * std::max(0.0F, -slope));
      color = mix(color,
                  mix(clamped(Color{.97F, .98F, 1.0F} * stage.light_on_snow() * (0.9F + 0.55F * slope)), stage.haze,
                      0.6F * distance),
                  snow);
    }
    return Shade{color, alpha};
  });
}

}  // namespace

void draw_mountains(Stage& stage) {
  // Low mountains have snow too if the scene says so.
  float highest = 1;
  for (const auto& ridge : stage.layout.mountains) {
    for (int i = 0; i <= 64; ++i) {
      highest = std::min(highest, ridge.at(static_cast<float>(i) / 64));
    }
  }
  const float snow_line = std::max(stage.layout.horizon - 0.2F, highest + 0.08F);
  std::uint32_t part = 31;
  float distance = 0.4F;
  for (const auto& ridge : stage.layout.mountains) {
    draw_range(stage, ridge, distance, snow_line, stage.seed(part));
    part += 1;
    distance -= 0.22F;
  }
}

}  // namespace fmboost::drawing
