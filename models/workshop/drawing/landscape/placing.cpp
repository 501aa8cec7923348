#include "drawing/landscape/placing.h"

#include <algorithm>

#include "drawing/random.h"

namespace fmboost::drawing {
namespace {

constexpr float kMargin = 0.012F;

// The highest point of the mountains, the hills and the horizon in this range.
float top_of(const Layout& layout, float left, float right) {
  float top = layout.horizon - 0.04F;
  for (const auto* ridges : {&layout.mountains, &layout.hills}) {
    for (const auto& ridge : *ridges) {
      for (int i = 0; i <= 24; ++i) {
        top = std::min(top, ridge.at(left + (right - left) * static_cast<float>(i) / 24));
      }
    }
  }
  return top;
}

// Places objects so that nothing hides them and they hide nothing.
class Placer {
 public:
  Placer(const Scene& scene, Layout& layout) : scene_(scene), layout_(layout), random_(scene.seed, "places") {}

  void place_all() {
    place_orb();
    place_skyline();
    place_birds();
    place_bridge();
    place_building();
    place_boat();
    for (int i = 0; i < scene_.animal_count; ++i) {
      place_animal();
    }
    for (int i = 0; i < scene_.tree_count; ++i) {
      place_tree();
    }
    std::stable_sort(layout_.items.begin(), layout_.items.end(),
                     [](const Item& a, const Item& b) { return a.base < b.base; });
  }

 private:
  // By how much adding this object covers another one more than allowed.
  float harm(const Item& item) const {
    const bool forest = item.kind == ItemKind::tree && scene_.tree_count > 3;
    float result = std::max(0.0F, kMargin - item.box.left) + std::max(0.0F, item.box.right - 1 + kMargin) +
                   std::max(0.0F, kMargin - item.box.top);
    for (const auto& other : layout_.items) {
      const bool in_front = item.base > other.base;
      const bool both_trees = other.kind == ItemKind::tree && forest;
      const float part = in_front ? covered(other.box, item.box) : covered(item.box, other.box);
      const float allowed = both_trees                                            ? 1.0F
                            : (in_front ? other : item).kind == ItemKind::skyline ? 0.15F
                            : forest && !in_front                                 ? 0.5F
                                                                                  : 0.06F;
      result += std::max(0.0F, part - allowed);
    }
    return result;
  }

  // propose(shrink) makes a candidate. Takes the first one without conflicts, else the best of many.
  template <typename Propose>
  void place(ItemKind kind, Propose propose) {
    Item best;
    float least = 1e9F;
    for (int i = 0; i < 240 && least > 0; ++i) {
      Item item = propose(1 - 0.3F * static_cast<float>(i) / 240);
      item.kind = kind;
      const float bad = harm(item);
      if (bad < least) {
        least = bad;
        best = item;
      }
    }
    best.seed = random_.next();
    layout_.items.push_back(best);
  }

  static Item standing(float x, float base, float width, float height) {
    return {ItemKind::tree, {x - width / 2, base - height, x + width / 2, base}, base, 0};
  }

  float uniform(double low, double high) { return static_cast<float>(random_.uniform(low, high)); }
  float nearness(float base) const { return (base - layout_.horizon) / (1 - layout_.horizon); }
  bool has_lake() const { return scene_.lake.has_value(); }

  void place_orb() {
    if (scene_.orb == Orb::none) {
      return;
    }
    const float r = scene_.orb == Orb::sun ? 0.055F : 0.052F;
    const bool high = scene_.time == TimeOfDay::day || scene_.time == TimeOfDay::night;
    place(ItemKind::orb, [&](float) {
      const float x = uniform(0.12, 0.88);
      const float free = top_of(layout_, x - r, x + r) - 1.2F * r;
      const float y = std::min(high ? uniform(0.09, 0.28) : uniform(0.2, 0.42), free);
      return Item{ItemKind::orb, {x - r, y - r, x + r, y + r}, -1, 0};
    });
  }

  void place_skyline() {
    if (!scene_.skyline) {
      return;
    }
    place(ItemKind::skyline, [&](float) {
      const float width = uniform(0.45, 0.65);
      const float x = uniform(width / 2 + 0.02, 0.98 - width / 2);
      float base = layout_.horizon + 0.01F;
      for (const auto& ridge : layout_.hills) {
        for (int i = 0; i <= 16; ++i) {
          base = std::min(base, ridge.at(x - width / 2 + width * static_cast<float>(i) / 16) + 0.012F);
        }
      }
      return Item{ItemKind::skyline, {x - width / 2, base - uniform(0.17, 0.22), x + width / 2, base}, 0.01F, 0};
    });
  }

  void place_birds() {
    if (!scene_.birds) {
      return;
    }
    place(ItemKind::birds, [&](float) {
      const float width = uniform(0.24, 0.34);
      const float height = uniform(0.12, 0.17);
      const float x = uniform(width / 2 + 0.02, 0.98 - width / 2);
      const float free = top_of(layout_, x - width / 2, x + width / 2);
      const float bottom = std::max(height + 0.03F, std::min(free - 0.01F, uniform(0.2, 0.4)));
      return Item{ItemKind::birds, {x - width / 2, bottom - height, x + width / 2, bottom}, 0.02F, 0};
    });
  }

  void place_bridge() {
    if (!scene_.bridge) {
      return;
    }
    const Lake& lake = layout_.lake;
    const float base = lake.top + (lake.bottom - lake.top) * uniform(0.36, 0.46);
    const float half = lake.half_width_at(base) + 0.05F;
    layout_.items.push_back(
        {ItemKind::bridge,
         {std::max(0.0F, lake.center - half), base - 0.088F, std::min(1.0F, lake.center + half), base},
         base,
         random_.next()});
  }

  void place_building() {
    if (scene_.building == Building::none) {
      return;
    }
    const bool house = scene_.building == Building::house;
    place(ItemKind::building, [&](float shrink) {
      const float hz = layout_.horizon;
      const float base = has_lake() ? hz + uniform(0.065, 0.085) : hz + uniform(0.07, 0.22);
      const float scale = (0.8F + 1.1F * (base - hz)) * shrink;
      const float width = (house ? 0.25F : scene_.building == Building::windmill ? 0.27F : 0.105F) * scale;
      const float height = (house ? 0.2F : scene_.building == Building::windmill ? 0.34F : 0.36F) * scale;
      const float x = uniform(width / 2 + 0.03, 0.97 - width / 2);
      return standing(x, base, width, height);
    });
  }

  void place_boat() {
    if (!scene_.boat) {
      return;
    }
    const Lake& lake = layout_.lake;
    place(ItemKind::boat, [&](float shrink) {
      const float depth = uniform(0.42, 0.8);
      const float base = lake.top + (lake.bottom - lake.top) * depth;
      const float height = (0.16F + 0.08F * depth) * shrink;
      const float reach = std::max(0.02F, lake.half_width_at(base) - 0.4F * height);
      return standing(lake.center + uniform(-reach, reach), base, 0.8F * height, height);
    });
  }

  void place_animal() {
    place(ItemKind::animal, [&](float shrink) {
      const float base = on_land(0.12, 0.965, 0.09F);
      const float height = (0.095F + 0.075F * nearness(base)) * std::max(shrink, 0.85F);
      const float width = height * (scene_.animals == Animal::sheep ? 1.3F : 1.35F);
      return standing(inside(land_x_, width), base, width, height);
    });
  }

  void place_tree() {
    const bool forest = scene_.tree_count > 3;
    const bool pine = scene_.trees == TreeKind::pine;
    place(ItemKind::tree, [&](float shrink) {
      const float base = forest ? layout_.horizon + (has_lake() ? uniform(0.03, 0.095) : uniform(0.04, 0.2))
                                : on_land(0.07, 0.97, 0.04F);
      if (forest) {
        land_x_ = uniform(0, 1);
      }
      const float near = base - layout_.horizon;
      const float height =
          std::min((forest ? 0.15F + 0.4F * near : 0.22F + 0.42F * near) * uniform(0.88, 1.15) * std::max(shrink, 0.8F),
                   base - 0.03F);
      const float width = height * (pine ? 0.5F : 0.72F);
      return standing(inside(land_x_, width), base, width, height);
    });
  }

  static float inside(float x, float width) { return std::clamp(x, width / 2 + kMargin, 1 - kMargin - width / 2); }

  // Also chooses land_x_. `low` is measured from the horizon, `high` from the top.
  float on_land(double low, double high, float margin) {
    for (int i = 0;; ++i) {
      const float base = uniform(layout_.horizon + low, high);
      land_x_ = uniform(0.08, 0.92);
      if (!has_lake() || i > 200 || !layout_.lake.holds(land_x_, base, margin)) {
        return base;
      }
    }
  }

  const Scene& scene_;
  Layout& layout_;
  Random random_;
  float land_x_ = 0;
};

}  // namespace

void place_items(const Scene& scene, Layout& layout) {
  Placer(scene, layout).place_all();
}

}  // namespace fmboost::drawing
