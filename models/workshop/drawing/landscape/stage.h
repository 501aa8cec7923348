#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "drawing/canvas.h"
#include "drawing/landscape.h"
#include "drawing/landscape/noise.h"
#include "drawing/random.h"
#include "drawing/scene.h"

// Shared by the painters of a landscape. Coordinates: the image is 1 wide and 1 high, y from the top.
namespace fmboost::drawing {

struct Shade {
  Color color;
  float alpha = 1;
};

struct Stage {
  const Scene& scene;
  const Layout& layout;
  Canvas& canvas;  ///< its context is scaled, so that paths use image coordinates
  int size = 0;
  float pixel = 0;   ///< width of a pixel
  Color light = {};  ///< on objects in the open
  SkyColors sky = {};
  Color haze = {};      ///< the color of everything far away
  float sun_x = -0.6F;  ///< unit vector toward the light
  float sun_y = -0.8F;

  std::uint32_t seed(std::uint32_t part) const {
    return mix_bits(static_cast<std::uint32_t>(scene.seed) * 0x9e3779b1U + part) ^
           static_cast<std::uint32_t>(scene.seed >> 32);
  }
  /// The light on snow, which looks white in any light.
  Color light_on_snow() const {
    const float grey = luma(light) + 0.05F;
    return mix(light, {grey, grey, grey * 1.03F}, 0.6F);
  }
  /// The color of an object in this light, at `distance` 0 .. 1 in the haze.
  Color lit(Color paint, float shade = 1, float distance = 0) const {
    return clamped(mix(paint * light * shade, haze, distance));
  }
  Color lit(ColorName paint, float shade = 1, float distance = 0) const {
    return lit(color_of(paint), shade, distance);
  }
  bool dark() const { return scene.time == TimeOfDay::evening || scene.time == TimeOfDay::night; }
  bool snowy() const { return scene.ground == ColorName::white; }
  /// Haze at this height of the ground, depending on the weather.
  float distance(float y) const {
    const float near = std::clamp((y - layout.horizon) / (1 - layout.horizon), 0.0F, 1.0F);
    return (1 - near) * (1 - near) * 0.22F;
  }
};

/// The coverage of a pixel that lies `inside` (in image coordinates) within the edge of a shape.
inline float coverage(const Stage& stage, float inside) {
  return std::clamp(inside * static_cast<float>(stage.size) + 0.5F, 0.0F, 1.0F);
}

/// Blends paint(x, y), a Shade, onto each pixel of the box.
template <typename Paint>
void shade(Stage& stage, const Box& box, Paint paint) {
  const auto n = static_cast<float>(stage.size);
  const int left = std::clamp(static_cast<int>(std::floor(box.left * n)), 0, stage.size);
  const int right = std::clamp(static_cast<int>(std::ceil(box.right * n)), 0, stage.size);
  const int top = std::clamp(static_cast<int>(std::floor(box.top * n)), 0, stage.size);
  const int bottom = std::clamp(static_cast<int>(std::ceil(box.bottom * n)), 0, stage.size);
  for (int j = top; j < bottom; ++j) {
    std::uint32_t* row = stage.canvas.row(j);
    const float y = (static_cast<float>(j) + 0.5F) * stage.pixel;
    for (int i = left; i < right; ++i) {
      const Shade result = paint((static_cast<float>(i) + 0.5F) * stage.pixel, y);
      if (result.alpha >= 1) {
        row[i] = pack(result.color);
      } else if (result.alpha > 0) {
        row[i] = pack(mix(unpack(row[i]), result.color, result.alpha));
      }
    }
  }
}

// The painters, far to near.
void draw_sky(Stage& stage);
void draw_stars(Stage& stage);
void draw_orb(Stage& stage, const Item& item);
void draw_clouds(Stage& stage);
void draw_birds(Stage& stage, const Item& item);
void draw_mountains(Stage& stage);
void draw_skyline(Stage& stage, const Item& item);
void draw_hills(Stage& stage);
void draw_ground(Stage& stage);
void draw_lake(Stage& stage);
void draw_flowers(Stage& stage);
void draw_tree(Stage& stage, const Item& item);
void draw_pine(Stage& stage, const Item& item);
void draw_bare_tree(Stage& stage, const Item& item);
void draw_house(Stage& stage, const Item& item);
void draw_windmill(Stage& stage, const Item& item);
void draw_lighthouse(Stage& stage, const Item& item);
void draw_bridge(Stage& stage, const Item& item);
void draw_boat(Stage& stage, const Item& item);
void draw_animal(Stage& stage, const Item& item);
void draw_weather(Stage& stage);

/// The soft shadow under a standing object.
void draw_shadow(Stage& stage, float x, float y, float half_width);

/// A rounded mass of leaves (or wool): a lit ball with an uneven edge. `grain`: the number of leaves across.
void draw_tuft(Stage& stage, Point center, float radius, Color paint, std::uint32_t seed, float grain = 2.2F,
               float ruffle = 0.32F);

}  // namespace fmboost::drawing
