#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

Color foliage(TreeKind kind, Random& random) {
  constexpr std::array kGreen{Color{.20F, .44F, .13F}, Color{.25F, .48F, .16F}, Color{.17F, .38F, .14F}};
  constexpr std::array kAutumn{Color{.88F, .42F, .09F}, Color{.80F, .22F, .10F}, Color{.90F, .64F, .14F}};
  constexpr std::array kBlossom{Color{.97F, .70F, .79F}, Color{.98F, .80F, .86F}, Color{.95F, .62F, .74F}};
  return random.choice(kind == TreeKind::autumn ? kAutumn : kind == TreeKind::blossom ? kBlossom : kGreen);
}

void draw_trunk(Stage& stage, const Item& item, Random& random) {
  const double h = item.height();
  const double x = item.x();
  const double y = item.base;
  const double w = 0.032 * h;
  const double lean = random.uniform(-0.02, 0.02) * h;
  const std::array<Point, 8> outline{{{x - 1.9 * w, y},
                                      {x - 1.05 * w, y - 0.06 * h},
                                      {x - 0.8 * w + lean, y - 0.3 * h},
                                      {x - 0.5 * w + lean, y - 0.62 * h},
                                      {x + 0.5 * w + lean, y - 0.62 * h},
                                      {x + 0.8 * w + lean, y - 0.3 * h},
                                      {x + 1.05 * w, y - 0.06 * h},
                                      {x + 1.9 * w, y}}};
  const Color bark{.33F, .23F, .15F};
  const bool left = stage.sun_x < 0;
  const std::array<Stop, 3> stops{
      {{0, stage.lit(bark, left ? 1.25F : 0.55F)}, {0.5, stage.lit(bark)}, {1, stage.lit(bark, left ? 0.55F : 1.25F)}}};
  stage.canvas.smooth_polygon(outline);
  stage.canvas.fill(Paint::linear({x - w, y}, {x + w, y}, stops));
  for (const int side : {-1, 1}) {
    stage.canvas.smooth_line(std::array<Point, 3>{{{x + lean, y - 0.33 * h},
                                                   {x + side * 0.08 * h, y - 0.45 * h},
                                                   {x + side * random.uniform(0.13, 0.2) * h, y - 0.58 * h}}});
    stage.canvas.stroke(stage.lit(bark, 0.85F), 0.022 * h);
  }
}

struct Clump {
  float y = 0;
  float x = 0;
  float radius = 0;
};

}  // namespace

void draw_tree(Stage& stage, const Item& item) {
  Random random(item.seed);
  const float h = item.height();
  const float cx = item.x();
  const float cy = item.base - 0.65F * h;
  const Color leaves = foliage(stage.scene.trees, random);
  draw_shadow(stage, cx, item.base, 0.34F * h);
  draw_trunk(stage, item, random);
  std::vector<Clump> clumps;
  for (int i = 0; i < 24; ++i) {
    const double angle = random.uniform(0, 6.283);
    const double away = std::sqrt(random.uniform());
    clumps.push_back({cy + static_cast<float>(0.225 * away * std::sin(angle)) * h,
                      cx + static_cast<float>(0.235 * away * std::cos(angle)) * h,
                      static_cast<float>(random.uniform(0.075, 0.115)) * h});
  }
  // Lower masses are in front of higher ones: their lit tops overlap shaded undersides.
  std::sort(clumps.begin(), clumps.end(), [](const Clump& a, const Clump& b) { return a.y < b.y; });
  for (const Clump& clump : clumps) {
    const float up = (cy - clump.y) / (0.25F * h);
    const float side = (clump.x - cx) / (0.25F * h) * stage.sun_x;
    const float tone = 0.92F + 0.12F * up + 0.14F * side + static_cast<float>(random.uniform(-0.06, 0.06));
    draw_tuft(stage, {clump.x, clump.y}, clump.radius, leaves * tone, static_cast<std::uint32_t>(random.next()));
  }
}

void draw_pine(Stage& stage, const Item& item) {
  Random random(item.seed);
  const auto seed = static_cast<std::uint32_t>(random.next());
  const float h = item.height();
  const float cx = item.x();
  const float top = item.box.top;
  const float crown = 0.9F * h;
  const float half = 0.25F * h;
  const float tiers = static_cast<float>(random.uniform(6, 8));
  const float tone = static_cast<float>(random.uniform(0.88, 1.12));
  const Color needles{.10F, .31F, .16F};
  const bool snowy = stage.snowy();
  draw_shadow(stage, cx, item.base, 0.3F * h);
  stage.canvas.rectangle({cx - 0.022 * h, item.base - 0.14 * h}, 0.044 * h, 0.14 * h);
  stage.canvas.fill(stage.lit(Color{.28F, .19F, .12F}));
  const float scale = 26 / h;
  shade(stage, {item.box.left, top, item.box.right, item.base - 0.05F * h}, [&](float x, float y) {
    const float dx = x - cx;
    const float t = (y - top) / crown;
    // Branches hang: their tips are lower than their origins at the trunk.
    const float phase = (t - 0.3F * std::abs(dx) / h) * tiers + 0.3F * gradient_noise(x * 9 / h, t * 4, seed + 1);
    const float part = phase - std::floor(phase);
    const float tuft = fractal_noise(x * scale, (y - 0.7F * std::abs(dx)) * scale * 0.55F, seed, stage.pixel * scale,
                                     {.count = 4, .gain = 0.7F});
    const float width = half * (0.03F + 0.92F * t) * (0.6F + 0.42F * part);
    const float alpha = coverage(stage, (width - std::abs(dx) + 0.022F * h * tuft * std::min(1.0F, 4 * t)) * 0.8F) *
                        coverage(stage, (0.97F - t + 0.3F * std::abs(dx) / h + 0.03F * tuft) * crown);
    if (alpha <= 0) {
      return Shade{{}, 0};
    }
    const float side = std::clamp(dx / half * stage.sun_x * 1.6F, -1.0F, 1.0F);
    const float light = tone * (0.62F + 0.5F * part * part + 0.3F * side + 0.5F * tuft);
    Color color = stage.lit(needles, std::max(0.2F, light));
    if (snowy) {
      const float snow = smooth_step(0.1F, 0.4F, part - 0.42F + 0.55F * tuft + 0.12F * side);
      color = mix(color, stage.lit(Color{.93F, .95F, .99F}, 0.9F + 0.12F * side), snow);
    }
    return Shade{color, alpha};
  });
}

}  // namespace fmboost::drawing
