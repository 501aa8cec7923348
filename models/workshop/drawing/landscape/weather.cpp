#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

void draw_snowfall(Stage& stage) {
  Random random(stage.scene.seed, "snow");
  const Color flake = clamped(Color{.97F, .98F, 1} * (stage.dark() ? 0.72F : 1.0F));
  for (int i = 0; i < 420; ++i) {
    const double size = random.uniform();
    const Point at{random.uniform(), random.uniform()};
    const double r = 0.0016 + 0.0036 * size * size;
    const double alpha = random.uniform(0.6, 0.95);
    const std::array<Stop, 3> soft{{{0, flake, alpha}, {0.55, flake, alpha}, {1, flake, 0}}};
    stage.canvas.circle(at, r * 1.25);
    stage.canvas.fill(r * stage.size > 2 ? Paint::radial(at, r * 1.25, soft) : Paint(flake, 0.62 * alpha));
  }
}

void draw_rain(Stage& stage) {
  Random random(stage.scene.seed, "rain");
  const double slant = random.uniform(-0.25, 0.25);
  const Color drop = stage.dark() ? Color{.55F, .58F, .66F} : Color{.86F, .89F, .94F};
  for (int i = 0; i < 420; ++i) {
    const double length = random.uniform(0.025, 0.06);
    const Point from{random.uniform(-0.02, 1.02), random.uniform(-0.03, 1)};
    stage.canvas.polyline(std::array<Point, 2>{from, {from.x + slant * length, from.y + length}});
    if (i % 140 == 139) {  // in three strokes of increasing width: nearer drops are thicker
      stage.canvas.stroke(Paint(drop, 0.5), 0.0018 + 0.0006 * (i / 140));
    }
  }
}

void draw_fog(Stage& stage) {
  const Color fog = mix(stage.haze, Color{.9F, .91F, .93F} * std::max(0.55F, luma(stage.light)), 0.75F);
  const float horizon = stage.layout.horizon;
  const std::uint32_t seed = stage.seed(61);
  shade(stage, {0, 0, 1, 1}, [&](float x, float y) {
    const float bank = fractal_noise(x * 2, y * 6, seed, stage.pixel * 6, {.count = 4});
    const float away = std::abs(y - horizon - 0.01F) * (y > horizon ? 2.0F : 2.6F);
    const float alpha = std::clamp((0.74F - away) * (1 + 0.45F * bank), 0.14F, 0.76F);
    return Shade{fog, alpha};
  });
}

}  // namespace

void draw_weather(Stage& stage) {
  switch (stage.scene.weather) {
    case Weather::snow:
      return draw_snowfall(stage);
    case Weather::rain:
      return draw_rain(stage);
    case Weather::fog:
      return draw_fog(stage);
    default:
      return;
  }
}

}  // namespace fmboost::drawing
