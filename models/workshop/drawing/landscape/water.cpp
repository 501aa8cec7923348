#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {

void draw_lake(Stage& stage) {
  const Lake& lake = stage.layout.lake;
  const Color water = stage.lit(*stage.scene.lake);
  const std::uint32_t seed = stage.seed(51);
  const float height = lake.bottom - lake.top;
  // The water reflects the image above the far shore, as it is before any water is drawn.
  const int first = std::max(0, static_cast<int>((lake.top - height * 1.6F) * static_cast<float>(stage.size)));
  const int end = std::min(stage.size, static_cast<int>(lake.top * static_cast<float>(stage.size)) + 2);
  std::vector<std::uint32_t> mirror;
  for (int j = first; j < end; ++j) {
    mirror.insert(mirror.end(), stage.canvas.row(j), stage.canvas.row(j) + stage.size);
  }
  const auto above = [&](float x, float y) {
    const int i = std::clamp(static_cast<int>(x * static_cast<float>(stage.size)), 0, stage.size - 1);
    const int j = std::clamp(static_cast<int>(y * static_cast<float>(stage.size)), first, end - 1) - first;
    return unpack(mirror[static_cast<std::size_t>(j) * stage.size + i]);
  };
  const Box box{0, lake.top - 0.02F, 1, lake.bottom + 0.02F};
  shade(stage, box, [&](float x, float y) {
    const float dx = (x - lake.center) / lake.half_width;
    const float dy = (2 * y - lake.top - lake.bottom) / height;
    const float uneven = fractal_noise(x * 6, y * 9, seed + 1, stage.pixel * 9, {.count = 5, .gain = 0.5F});
    const float inside = (1 - std::sqrt(dx * dx + dy * dy) + 0.05F * uneven) * height * 0.5F;
    const float alpha = coverage(stage, inside);
    if (alpha <= 0) {
      return Shade{{}, 0};
    }
    const float away = std::max(0.0F, y - lake.top);
    const float depth = 0.1F + away;
    const float footprint = stage.pixel * 0.9F / depth;
    const float waves =
        fractal_noise((x - 0.5F) / depth * 2.2F, 5.5F / depth, seed, footprint * 2.6F, {.count = 5, .gain = 0.6F});
    const Color mirrored =
        above(x + 0.012F * waves * (0.3F + 2 * away), lake.top - away * 1.25F + 0.02F * waves * (0.2F + away));
    const float clear = 0.44F - 0.2F * std::min(1.0F, away / height);
    Color color = mix(water * (1 + 0.2F * waves), mirrored, clear);
    color = color + stage.haze * (0.16F * std::max(0.0F, waves - 0.18F));
    // The shore darkens the water, with a thin bright line at its edge.
    const float shore = 1 - smooth_step(0, 0.012F, inside);
    color = mix(color, water * 0.55F, 0.5F * shore);
    return Shade{clamped(color), alpha};
  });
}

}  // namespace fmboost::drawing
