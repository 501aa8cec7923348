#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "drawing/color.h"

namespace fmboost::drawing {

enum class ColorName { red, orange, yellow, green, blue, purple, pink, white, grey, brown, golden, black, turquoise };
enum class TimeOfDay { day, morning, sunset, evening, night };
enum class Weather { clear, cloudy, rain, snow, fog };
enum class Orb { none, sun, full_moon, crescent_moon };
enum class TreeKind { none, pine, green, autumn, bare, blossom };
enum class Building { none, house, windmill, lighthouse };
enum class Animal { none, sheep, horse, cow };

/// What a landscape shows, all of it: whatever is not named here is not drawn.
struct Scene {
  std::uint64_t seed = 0;  ///< places and shapes; two scenes that differ in it alone have the same caption
  TimeOfDay time = TimeOfDay::day;
  ColorName sky = ColorName::blue;
  Weather weather = Weather::clear;
  Orb orb = Orb::none;
  bool stars = false;
  bool birds = false;
  std::optional<ColorName> mountains;
  bool snow_caps = false;  ///< on the mountains
  bool skyline = false;    ///< of a city, on the horizon
  ColorName ground = ColorName::green;
  bool hills = false;
  std::optional<ColorName> lake;
  bool bridge = false;            ///< of stone, over the lake
  std::optional<ColorName> boat;  ///< the color of its sails
  TreeKind trees = TreeKind::none;
  int tree_count = 0;  ///< 1, 3, or 12 for a forest
  Building building = Building::none;
  ColorName wall = ColorName::white;  ///< of the building
  ColorName roof = ColorName::red;    ///< of a house
  std::optional<ColorName> flowers;
  Animal animals = Animal::none;
  int animal_count = 0;  ///< 1 or 3
  ColorName coat = ColorName::white;

  friend bool operator==(const Scene&, const Scene&) = default;
};

/// The scene of a seed: the same for ever. It contradicts itself nowhere, see contradiction().
Scene random_scene(std::uint64_t seed);

/// What cannot be true of a scene ("stars need a clear night"), or nothing.
std::string contradiction(const Scene& scene);

/// One line of JSON: {"seed":7,"time":"sunset","sky":"orange",...}; what is absent is null.
std::string to_json(const Scene& scene);

/// What the word means in paint, before the light of the day falls on it.
Color color_of(ColorName name);

struct SkyColors {
  Color top;
  Color horizon;
};
/// The colors of a sky without clouds.
SkyColors sky_colors(TimeOfDay time, ColorName sky);

/// What the light of the time of day leaves of a color's parts.
Color light_of(TimeOfDay time, Weather weather);

// The values that scenes take.
std::span<const ColorName> sky_names(TimeOfDay time);
std::span<const ColorName> mountain_names();
std::span<const ColorName> ground_names();
std::span<const ColorName> lake_names();
std::span<const ColorName> sail_names();
std::span<const ColorName> wall_names(Building building);
std::span<const ColorName> roof_names();
std::span<const ColorName> flower_names();
std::span<const ColorName> coat_names(Animal animal);

// The words for them, as in JSON.
std::string_view name_of(ColorName value);
std::string_view name_of(TimeOfDay value);
std::string_view name_of(Weather value);
std::string_view name_of(Orb value);
std::string_view name_of(TreeKind value);
std::string_view name_of(Building value);
std::string_view name_of(Animal value);

}  // namespace fmboost::drawing
