#include "drawing/landscape/stage.h"

namespace fmboost::drawing {

void draw_tuft(Stage& stage, Point center, float radius, Color paint, std::uint32_t seed, float grain, float ruffle) {
  const auto cx = static_cast<float>(center.x);
  const auto cy = static_cast<float>(center.y);
  const float reach = radius * (1 + ruffle);
  const float scale = grain / radius;
  const float footprint = stage.pixel * scale;
  shade(stage, {cx - reach, cy - reach, cx + reach, cy + reach}, [&](float x, float y) {
    const float dx = (x - cx) / radius;
    const float dy = (y - cy) / radius;
    const float d = std::sqrt(dx * dx + dy * dy);
    if (d > 1 + ruffle) {
      return Shade{{}, 0};
    }
    const float leaves = fractal_noise(x * scale, y * scale, seed, footprint, {.count = 5, .gain = 0.75F});
    const float alpha = coverage(stage, (1 - d + ruffle * leaves) * radius * 0.7F);
    const float ball = dx * stage.sun_x + dy * stage.sun_y;
    const float light = 0.80F + 0.3F * ball * (1.2F - 0.4F * d) + 0.34F * leaves;
    return Shade{stage.lit(paint, std::max(0.25F, light)), alpha};
  });
}

void draw_shadow(Stage& stage, float x, float y, float half_width) {
  const float half_height = half_width * 0.22F;
  const float cx = x - stage.sun_x * half_width * 0.35F;
  const bool soft = stage.scene.weather != Weather::clear;
  const float strength = soft ? 0.3F : 0.45F;
  shade(stage, {cx - half_width, y - half_height, cx + half_width, y + half_height}, [&](float px, float py) {
    const float dx = (px - cx) / half_width;
    const float dy = (py - y) / half_height;
    const float inside = 1 - dx * dx - dy * dy;
    return Shade{stage.light * Color{.06F, .08F, .12F}, inside > 0 ? strength * smooth_step(0, 0.8F, inside) : 0};
  });
}

}  // namespace fmboost::drawing
