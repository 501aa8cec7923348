#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

const Item* orb_of(const Stage& stage) {
  for (const auto& item : stage.layout.items) {
    if (item.kind == ItemKind::orb) {
      return &item;
    }
  }
  return nullptr;
}

Color sun_color(TimeOfDay time) {
  switch (time) {
    case TimeOfDay::day:
      return {1, .98F, .88F};
    case TimeOfDay::morning:
      return {1, .95F, .76F};
    default:
      return {1, .84F, .46F};
  }
}

}  // namespace

void draw_sky(Stage& stage) {
  const SkyColors sky = stage.sky;
  const float horizon = stage.layout.horizon;
  const Item* orb = orb_of(stage);
  const bool sun = orb != nullptr && stage.scene.orb == Orb::sun;
  const Color glow = sun ? sun_color(stage.scene.time) : Color{.80F, .84F, .90F};
  const float reach = sun ? 0.15F : 0.075F;
  const float strength = sun ? 0.42F : 0.2F;
  const float orb_x = orb != nullptr ? orb->x() : 0;
  const float orb_y = orb != nullptr ? (orb->box.top + orb->box.bottom) / 2 : 0;
  shade(stage, {0, 0, 1, horizon + 0.1F}, [&](float x, float y) {
    const float t = std::clamp(y / horizon, 0.0F, 1.0F);
    Color color = mix(sky.top, sky.horizon, t * t * (0.35F + 0.65F * (1.5F - 0.5F * t)));
    if (orb != nullptr) {
      const float d = std::hypot(x - orb_x, y - orb_y);
      color = color + glow * (strength * std::exp(-d / reach));
    }
    return Shade{clamped(color)};
  });
}

void draw_stars(Stage& stage) {
  if (!stage.scene.stars) {
    return;
  }
  Random random(stage.scene.seed, "stars");
  const float horizon = stage.layout.horizon;
  for (int i = 0; i < 190; ++i) {
    const Point at{random.uniform(), random.uniform() * horizon};
    const double size = random.uniform();
    const double radius = 0.0012 + 0.0022 * size * size * size;
    const double bright = random.uniform(0.45, 1);
    const double warm = random.uniform(-0.08, 0.08);
    const Color color{static_cast<float>(0.95 + warm), 0.95F, static_cast<float>(0.98 - warm)};
    stage.canvas.circle(at, radius);
    stage.canvas.fill({color, bright});
    if (size > 0.9) {
      const std::array<Stop, 2> halo{{{0, color, 0.35}, {1, color, 0}}};
      stage.canvas.circle(at, 4 * radius);
      stage.canvas.fill(Paint::radial(at, 4 * radius, halo));
    }
  }
}

void draw_orb(Stage& stage, const Item& item) {
  const float r = item.width() / 2;
  const float cx = item.x();
  const float cy = item.box.top + r;
  const std::uint32_t seed = stage.seed(11);
  const Color sun = sun_color(stage.scene.time);
  const Orb orb = stage.scene.orb;
  shade(stage, {item.box.left - r, item.box.top - r, item.box.right + r, item.box.bottom + r}, [&](float x, float y) {
    const float d = std::hypot(x - cx, y - cy);
    float alpha = coverage(stage, r - d);
    if (orb == Orb::sun) {
      const float rim = d / r;
      return Shade{mix(clamped(sun * 1.12F), sun, rim * rim), alpha};
    }
    if (orb == Orb::crescent_moon) {
      alpha *= 1 - coverage(stage, r * 0.94F - std::hypot(x - cx - 0.5F * r, y - cy + 0.18F * r));
    }
    const float seas =
        fractal_noise(x / r * 1.3F, y / r * 1.3F, seed, stage.pixel / r * 1.3F, {.count = 6, .gain = 0.6F});
    const float ball = std::sqrt(std::max(0.0F, 1 - d * d / (r * r)));
    const float grey = 0.80F + 0.14F * ball - 0.16F * smooth_step(-0.1F, 0.5F, seas) + 0.05F * seas;
    return Shade{clamped(Color{.98F, .97F, .92F} * grey), alpha};
  });
}

}  // namespace fmboost::drawing
