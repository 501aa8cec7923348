#include "drawing/landscape.h"

#include <cairo.h>
#include <string>

#include "fmboost/core/error.h"

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

Stage make_stage(const Scene& scene, const Layout& layout, Canvas& canvas) {
  Stage stage{.scene = scene, .layout = layout, .canvas = canvas};
  stage.size = canvas.width();
  stage.pixel = 1 / static_cast<float>(canvas.width());
  stage.light = light_of(scene.time, scene.weather);
  stage.sky = sky_colors(scene.time, scene.sky);
  stage.haze = stage.sky.horizon;
  for (const auto& item : layout.items) {
    if (item.kind == ItemKind::orb) {
      stage.sun_x = item.x() < 0.5F ? -0.6F : 0.6F;
    }
  }
  return stage;
}

void draw_building(Stage& stage, const Item& item) {
  switch (stage.scene.building) {
    case Building::house:
      return draw_house(stage, item);
    case Building::windmill:
      return draw_windmill(stage, item);
    case Building::lighthouse:
      return draw_lighthouse(stage, item);
    case Building::none:
      return;
  }
}

void draw_any_tree(Stage& stage, const Item& item) {
  switch (stage.scene.trees) {
    case TreeKind::pine:
      return draw_pine(stage, item);
    case TreeKind::bare:
      return draw_bare_tree(stage, item);
    case TreeKind::none:
      return;
    default:
      return draw_tree(stage, item);
  }
}

void draw_item(Stage& stage, const Item& item) {
  switch (item.kind) {
    case ItemKind::building:
      return draw_building(stage, item);
    case ItemKind::bridge:
      return draw_bridge(stage, item);
    case ItemKind::boat:
      return draw_boat(stage, item);
    case ItemKind::animal:
      return draw_animal(stage, item);
    case ItemKind::tree:
      return draw_any_tree(stage, item);
    default:
      return;  // sky and horizon have been drawn already
  }
}

void draw_background(Stage& stage) {
  const auto each = [&](ItemKind kind, void (*draw)(Stage&, const Item&)) {
    for (const auto& item : stage.layout.items) {
      if (item.kind == kind) {
        draw(stage, item);
      }
    }
  };
  draw_sky(stage);
  draw_stars(stage);
  each(ItemKind::orb, draw_orb);
  draw_clouds(stage);
  draw_mountains(stage);
  each(ItemKind::skyline, draw_skyline);
  draw_hills(stage);
  draw_ground(stage);
  each(ItemKind::birds, draw_birds);
}

}  // namespace

Image draw_landscape(const Scene& scene, int size) {
  if (size < 16 || size > 8192) {
    throw Error("a landscape of " + std::to_string(size) + " pixels: 16 to 8192 are possible");
  }
  const Layout layout = layout_of(scene);
  Canvas canvas(size, size);
  cairo_scale(canvas.context(), size, size);
  Stage stage = make_stage(scene, layout, canvas);
  draw_background(stage);
  bool at_the_lake = !scene.lake;
  draw_flowers(stage);
  for (const auto& item : layout.items) {
    // Objects on the far shore must be drawn before the water that reflects them.
    if (!at_the_lake && item.base > layout.lake.top) {
      draw_lake(stage);
      at_the_lake = true;
    }
    draw_item(stage, item);
  }
  if (!at_the_lake) {
    draw_lake(stage);
  }
  draw_weather(stage);
  return canvas.image();
}

}  // namespace fmboost::drawing
