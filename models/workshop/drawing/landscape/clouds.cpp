#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

struct CloudLook {
  float threshold = 0;
  Color bright;
  Color shadow;
  float opacity = 0.95F;
};

CloudLook look_of(const Stage& stage) {
  const SkyColors& sky = stage.sky;
  const Color white{1, 1, 1};
  const bool night = stage.scene.time == TimeOfDay::night;
  const float grey = night ? 0.16F : stage.dark() ? 0.34F : 0.52F;
  CloudLook look;
  look.bright = night ? sky.horizon * 1.25F + Color{.05F, .06F, .08F} : mix(sky.horizon, white, 0.55F);
  look.shadow = mix(sky.top, Color{grey, grey, grey * 1.06F}, 0.55F);
  if (stage.scene.sky == ColorName::grey) {
    look.bright = {.86F, .87F, .88F};
    look.shadow = {.54F, .56F, .60F};
  }
  switch (stage.scene.weather) {
    case Weather::rain:
      look.threshold = -0.42F;
      look.bright = mix(look.bright * 0.72F, sky.horizon, 0.35F);
      look.shadow = look.shadow * 0.78F;
      break;
    case Weather::snow:
      look.threshold = -0.25F;
      look.opacity = 0.85F;
      break;
    case Weather::fog:
      look.threshold = -0.2F;
      look.opacity = 0.6F;
      break;
    default:
      look.threshold = 0.02F;
  }
  return look;
}

}  // namespace

void draw_clouds(Stage& stage) {
  if (stage.scene.weather == Weather::clear) {
    return;
  }
  const CloudLook look = look_of(stage);
  const float horizon = stage.layout.horizon;
  const std::uint32_t seed = stage.seed(21);
  const Item* orb = nullptr;
  for (const auto& item : stage.layout.items) {
    orb = item.kind == ItemKind::orb ? &item : orb;
  }
  const float orb_y = orb != nullptr ? (orb->box.top + orb->box.bottom) / 2 : 0;
  shade(stage, {0, 0, 1, horizon}, [&](float x, float y) {
    // A flat layer of clouds seen from below: toward the horizon they become small and narrow.
    const float height = horizon - y;
    const float depth = 1 / (0.42F + height);
    const float u = (x - 0.5F) * 2.1F * depth;
    const float v = 2.4F * depth;
    const float footprint = stage.pixel * 2.4F * depth * std::max(1.0F, 0.7F * depth);
    const float wide = gradient_noise(u * 0.6F, v * 0.6F, seed + 5);
    const auto density = [&](float du, float dv, int octaves) {
      return fractal_noise(u + du, v + dv, seed, footprint, {.count = octaves, .gain = 0.55F}) + 0.35F * wide;
    };
    float here = density(0, 0, 7) - look.threshold;
    if (orb != nullptr) {  // the clouds leave it uncovered
      const float d = std::hypot(x - orb->x(), y - orb_y) / orb->width() + 0.35F * here;
      here -= 1.3F * (1 - smooth_step(0.35F, 1.5F, d));
    }
    if (here <= 0) {
      return Shade{{}, 0};
    }
    const float towards_light = density(0.16F * stage.sun_x, -0.14F, 4) - look.threshold;
    const float lit = std::clamp(0.62F + 0.9F * (here - towards_light) - 0.28F * here, 0.0F, 1.0F);
    const float alpha = smooth_step(0, 0.26F, here) * look.opacity * smooth_step(0, 0.1F, height);
    return Shade{clamped(mix(look.shadow, look.bright, lit)), alpha};
  });
}

}  // namespace fmboost::drawing
