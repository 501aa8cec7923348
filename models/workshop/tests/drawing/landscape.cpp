#include "drawing/landscape.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <gmock/gmock.h>

#include "fmboost/core/error.h"

namespace fmboost::drawing {
namespace {

using testing::HasSubstr;

constexpr int kSide = 128;

// A seed whose layout leaves the measured region unobstructed.
Scene plain_scene(std::uint64_t seed = 5) {
  Scene scene;
  scene.seed = seed;
  return scene;
}

double difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    sum += std::abs(static_cast<int>(a.rgb[i]) - static_cast<int>(b.rgb[i]));
  }
  return sum / static_cast<double>(a.rgb.size());
}

Color color_at(const Image& image, int x, int y) {
  const std::uint8_t* p = image.pixel(x, y);
  return Color{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])} * (1 / 255.0F);
}

Color mean_color(const Image& image, const Box& box) {
  Color sum;
  int count = 0;
  for (int y = static_cast<int>(box.top * kSide); y < static_cast<int>(box.bottom * kSide); ++y) {
    for (int x = static_cast<int>(box.left * kSide); x < static_cast<int>(box.right * kSide); ++x, ++count) {
      sum = sum + color_at(image, x, y);
    }
  }
  return sum * (1 / static_cast<float>(count));
}

float distance(Color a, Color b) {
  const Color d = a - b;
  return std::sqrt(d.r * d.r + d.g * d.g + d.b * d.b);
}

ColorName nearest(Color color, std::span<const ColorName> names, const std::function<Color(ColorName)>& shown) {
  return *std::min_element(names.begin(), names.end(), [&](ColorName a, ColorName b) {
    return distance(color, shown(a)) < distance(color, shown(b));
  });
}

struct Changes {
  Color mean;       // of the first image, over the differing pixels
  double part = 0;  // share of differing pixels
  Box box{1, 1, 0, 0};
};

// The pixels where two images differ clearly.
Changes changes(const Image& a, const Image& b) {
  Changes result;
  int count = 0;
  for (int y = 0; y < a.height; ++y) {
    for (int x = 0; x < a.width; ++x) {
      if (distance(color_at(a, x, y), color_at(b, x, y)) < 0.08F) {
        continue;
      }
      result.mean = result.mean + color_at(a, x, y);
      ++count;
      const auto left = static_cast<float>(x) / static_cast<float>(a.width);
      const auto top = static_cast<float>(y) / static_cast<float>(a.height);
      result.box = {std::min(result.box.left, left), std::min(result.box.top, top), std::max(result.box.right, left),
                    std::max(result.box.bottom, top)};
    }
  }
  result.mean = result.mean * (1 / static_cast<float>(std::max(count, 1)));
  result.part = static_cast<double>(count) / (a.width * a.height);
  return result;
}

const Item* find(const Layout& layout, ItemKind kind) {
  for (const auto& item : layout.items) {
    if (item.kind == kind) {
      return &item;
    }
  }
  return nullptr;
}

TEST(Landscape, IsDeterministic) {
  const Scene scene = random_scene(12);
  EXPECT_EQ(draw_landscape(scene, kSide).rgb, draw_landscape(scene, kSide).rgb);
  EXPECT_GT(difference(draw_landscape(scene, kSide), draw_landscape(random_scene(13), kSide)), 5);
}

TEST(Landscape, IsTheSameImageAtEverySize) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Scene scene = random_scene(seed);
    const Image small = draw_landscape(scene, kSide);
    EXPECT_LT(difference(small, reduced(draw_landscape(scene, 4 * kSide), 4)), 4) << seed;
    EXPECT_LT(difference(small, reduced(draw_landscape(scene, 8 * kSide), 8)), 4) << seed;
  }
}

TEST(Landscape, LargerImageHasFinerDetail) {
  const Scene scene = plain_scene();
  const Image large = draw_landscape(scene, 4 * kSide);
  const Image coarse = reduced(large, 4);
  double sum = 0;
  for (int y = 0; y < large.height; ++y) {
    for (int x = 0; x < large.width; ++x) {
      sum += std::abs(large.pixel(x, y)[1] - coarse.pixel(x / 4, y / 4)[1]);
    }
  }
  EXPECT_GT(sum / (large.width * large.height), 1.5);  // grass
}

TEST(Landscape, RejectsSizesOutOfRange) {
  for (const int size : {0, 15, 8193, -4}) {
    try {
      draw_landscape(plain_scene(), size);
      ADD_FAILURE() << size;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("16 to 8192"));
    }
  }
  EXPECT_EQ(draw_landscape(plain_scene(), 16).width, 16);
}

TEST(Landscape, SkyHasTheNamedColor) {
  for (int t = 0; t <= static_cast<int>(TimeOfDay::night); ++t) {
    Scene scene = plain_scene();
    scene.time = static_cast<TimeOfDay>(t);
    for (const ColorName name : sky_names(scene.time)) {
      scene.sky = name;
      const float horizon = layout_of(scene).horizon;
      const Color seen = mean_color(draw_landscape(scene, kSide), {0, 0, 1, horizon * 0.9F});
      EXPECT_EQ(nearest(seen, sky_names(scene.time),
                        [&](ColorName other) {
                          const SkyColors sky = sky_colors(scene.time, other);
                          return mix(sky.top, sky.horizon, 0.4F);
                        }),
                name)
          << t << " " << name_of(name);
    }
  }
}

TEST(Landscape, GroundHasTheNamedColor) {
  for (int t = 0; t <= static_cast<int>(TimeOfDay::night); ++t) {
    for (const bool hills : {false, true}) {
      Scene scene = plain_scene();
      scene.time = static_cast<TimeOfDay>(t);
      scene.sky = sky_names(scene.time).front();
      scene.hills = hills;
      for (const ColorName name : ground_names()) {
        scene.ground = name;
        const Color seen = mean_color(draw_landscape(scene, kSide), {0, 0.7F, 1, 1});
        const Color light = light_of(scene.time, scene.weather);
        EXPECT_EQ(nearest(seen, ground_names(), [&](ColorName other) { return color_of(other) * light; }), name)
            << t << " " << name_of(name);
      }
    }
  }
}

// Draws the scene in every color that `set` accepts; each must appear in that color and change nothing else.
void expect_own_colors(Scene scene, std::span<const ColorName> names, ItemKind kind,
                       const std::function<void(Scene&, ColorName)>& set, double least) {
  for (const ColorName name : names) {
    set(scene, name);
    const Image image = draw_landscape(scene, kSide);
    Scene other = scene;
    set(other, name == names.front() ? names.back() : names.front());
    const Changes seen = changes(image, draw_landscape(other, kSide));
    const Box box = find(layout_of(scene), kind)->box;
    EXPECT_GT(seen.part, least * box.area()) << name_of(name);
    EXPECT_GT(seen.box.left, box.left - 0.02F);
    EXPECT_LT(seen.box.right, box.right + 0.02F);
    EXPECT_GT(seen.box.top, box.top - 0.02F);
    EXPECT_EQ(nearest(seen.mean, names, [](ColorName one) { return color_of(one) * 0.88F; }), name) << name_of(name);
  }
}

TEST(Landscape, WallsHaveTheNamedColor) {
  for (const Building building : {Building::house, Building::windmill, Building::lighthouse}) {
    Scene scene = plain_scene();
    scene.building = building;
    scene.roof = ColorName::grey;
    if (building == Building::lighthouse) {
      scene.lake = ColorName::blue;
    }
    expect_own_colors(
        scene, wall_names(building), ItemKind::building, [](Scene& s, ColorName name) { s.wall = name; },
        building == Building::house ? 0.25 : 0.1);
  }
}

TEST(Landscape, RoofHasTheNamedColor) {
  Scene scene = plain_scene();
  scene.building = Building::house;
  expect_own_colors(
      scene, roof_names(), ItemKind::building, [](Scene& s, ColorName name) { s.roof = name; }, 0.2);
}

TEST(Landscape, SailsHaveTheNamedColor) {
  Scene scene = plain_scene();
  scene.lake = ColorName::blue;
  expect_own_colors(
      scene, sail_names(), ItemKind::boat, [](Scene& s, ColorName name) { s.boat = name; }, 0.2);
}

TEST(Landscape, CoatHasTheNamedColor) {
  for (const Animal animal : {Animal::sheep, Animal::horse, Animal::cow}) {
    Scene scene = plain_scene();
    scene.animals = animal;
    scene.animal_count = 1;
    expect_own_colors(
        scene, coat_names(animal), ItemKind::animal, [](Scene& s, ColorName name) { s.coat = name; }, 0.25);
  }
}

TEST(Landscape, MountainsHaveTheNamedColor) {
  for (const ColorName name : mountain_names()) {
    Scene scene = plain_scene();
    scene.mountains = name;
    Scene without = scene;
    without.mountains = std::nullopt;
    const Changes seen = changes(draw_landscape(scene, kSide), draw_landscape(without, kSide));
    EXPECT_GT(seen.part, 0.08);
    EXPECT_LT(seen.box.bottom, layout_of(scene).horizon + 0.1F);
    EXPECT_EQ(
        nearest(seen.mean, mountain_names(),
                [&](ColorName one) { return mix(color_of(one), sky_colors(scene.time, scene.sky).horizon, 0.4F); }),
        name);
  }
}

TEST(Landscape, SnowShowsOnHighAndLowMountains) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    Scene scene = plain_scene(seed);
    scene.mountains = ColorName::red;
    Scene capped = scene;
    capped.snow_caps = true;
    const double part = changes(draw_landscape(capped, kSide), draw_landscape(scene, kSide)).part;
    EXPECT_GT(part, 0.004) << seed;
    EXPECT_LT(part, 0.2) << seed;
  }
}

TEST(Landscape, LakeHasTheNamedColor) {
  for (const ColorName name : lake_names()) {
    Scene scene = plain_scene();
    scene.lake = name;
    const Lake lake = layout_of(scene).lake;
    const float middle = (lake.top + lake.bottom) / 2;
    const Color seen = mean_color(draw_landscape(scene, kSide),
                                  {lake.center - 0.2F, middle - 0.03F, lake.center + 0.2F, middle + 0.05F});
    EXPECT_EQ(
        nearest(seen, lake_names(),
                [&](ColorName one) { return mix(color_of(one), sky_colors(scene.time, scene.sky).horizon, 0.3F); }),
        name);
  }
}

TEST(Landscape, FlowersCoverTheMeadow) {
  for (const ColorName name : flower_names()) {
    Scene scene = plain_scene();
    Scene with = scene;
    with.flowers = name;
    const Changes seen = changes(draw_landscape(with, kSide), draw_landscape(scene, kSide));
    EXPECT_GT(seen.part, 0.03);
    EXPECT_LT(seen.part, 0.3);
    EXPECT_GT(seen.box.top, layout_of(scene).horizon);
    EXPECT_GT(seen.box.right - seen.box.left, 0.9F);
  }
}

TEST(Landscape, WeatherIsVisible) {
  for (const Weather weather : {Weather::cloudy, Weather::rain, Weather::fog}) {
    Scene scene = plain_scene();
    scene.weather = weather;
    EXPECT_GT(changes(draw_landscape(scene, kSide), draw_landscape(plain_scene(), kSide)).part, 0.15);
  }
}

TEST(Layout, NamedObjectsAreNotHidden) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Scene scene = random_scene(seed);
    for (const Layout layout = layout_of(scene); const Item& item : layout.items) {
      float hidden = 0;
      for (const Item& other : layout.items) {
        hidden += other.base > item.base ? covered(item.box, other.box) : 0;
      }
      const bool forest = item.kind == ItemKind::tree && scene.tree_count > 3;
      const bool wide = item.kind == ItemKind::skyline;
      EXPECT_LT(forest ? 0 : hidden, wide ? 0.5F : 0.35F) << seed << " " << static_cast<int>(item.kind);
    }
  }
}

TEST(Layout, EveryObjectIsInsideTheImageAndLargeEnough) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Scene scene = random_scene(seed);
    std::array<int, 8> count{};
    for (const Layout layout = layout_of(scene); const Item& item : layout.items) {
      ++count[static_cast<std::size_t>(item.kind)];
      EXPECT_GE(item.box.area(), 0.0099F) << seed << " " << static_cast<int>(item.kind);
      const Box image{0, 0, 1, 1};
      EXPECT_GT(covered(item.box, image), 0.98F) << seed << " " << static_cast<int>(item.kind);
    }
    const std::array<int, 8> expected{
        scene.orb != Orb::none, scene.birds,        scene.skyline,   scene.bridge, scene.building != Building::none,
        scene.boat.has_value(), scene.animal_count, scene.tree_count};
    EXPECT_EQ(count, expected) << seed;
  }
}

TEST(Layout, SunAndMoonAreAboveMountainsAndHills) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Scene scene = random_scene(seed);
    const Layout layout = layout_of(scene);
    if (const Item* orb = find(layout, ItemKind::orb)) {
      for (const auto* ridges : {&layout.mountains, &layout.hills}) {
        for (const Ridge& ridge : *ridges) {
          EXPECT_LT(orb->box.bottom, ridge.at(orb->x()) + 0.01F) << seed;
        }
      }
      EXPECT_LT(orb->box.bottom, layout.horizon);
    }
  }
}

TEST(Lake, ContainsItsEllipse) {
  const Lake lake{0.6F, 0.8F, 0.5F, 0.4F};
  EXPECT_TRUE(lake.holds(0.5F, 0.7F));
  EXPECT_TRUE(lake.holds(0.89F, 0.7F));
  EXPECT_FALSE(lake.holds(0.91F, 0.7F));
  EXPECT_TRUE(lake.holds(0.91F, 0.7F, 0.05F));
  EXPECT_FALSE(lake.holds(0.5F, 0.59F));
  EXPECT_NEAR(lake.half_width_at(0.7F), 0.4F, 1e-6F);
  EXPECT_EQ(lake.half_width_at(0.85F), 0);
  EXPECT_FALSE(Lake{}.holds(0, 0));
}

TEST(Covered, IsAFractionOfTheFirstBox) {
  EXPECT_FLOAT_EQ(covered({0, 0, 1, 1}, {0.5F, 0.5F, 2, 2}), 0.25F);
  EXPECT_FLOAT_EQ(covered({0.5F, 0.5F, 2, 2}, {0, 0, 1, 1}), 0.25F / 2.25F);
  EXPECT_FLOAT_EQ(covered({0, 0, 1, 1}, {2, 0, 3, 1}), 0);
}

}  // namespace
}  // namespace fmboost::drawing
