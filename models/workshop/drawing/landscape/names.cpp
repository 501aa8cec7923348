#include <array>
#include <cstddef>

#include "drawing/scene.h"

namespace fmboost::drawing {
namespace {

using enum ColorName;

struct NamedColor {
  std::string_view name;
  Color color;
};
// In the order of ColorName.
constexpr std::array<NamedColor, 13> kColors{{{"red", {.75F, .15F, .12F}},
                                              {"orange", {.92F, .50F, .12F}},
                                              {"yellow", {.95F, .82F, .20F}},
                                              {"green", {.24F, .50F, .17F}},
                                              {"blue", {.15F, .35F, .75F}},
                                              {"purple", {.45F, .25F, .60F}},
                                              {"pink", {.93F, .50F, .65F}},
                                              {"white", {.94F, .95F, .96F}},
                                              {"grey", {.48F, .49F, .52F}},
                                              {"brown", {.42F, .28F, .16F}},
                                              {"golden", {.84F, .67F, .25F}},
                                              {"black", {.10F, .10F, .12F}},
                                              {"turquoise", {.15F, .62F, .65F}}}};

struct Sky {
  TimeOfDay time;
  ColorName name;
  SkyColors colors;
};
constexpr std::array<Sky, 15> kSkies{{{TimeOfDay::day, blue, {{.17F, .42F, .83F}, {.68F, .84F, .96F}}},
                                      {TimeOfDay::day, grey, {{.46F, .49F, .53F}, {.76F, .78F, .80F}}},
                                      {TimeOfDay::morning, blue, {{.40F, .62F, .90F}, {.93F, .91F, .82F}}},
                                      {TimeOfDay::morning, pink, {{.60F, .58F, .82F}, {.99F, .74F, .74F}}},
                                      {TimeOfDay::morning, golden, {{.76F, .66F, .50F}, {1.0F, .82F, .42F}}},
                                      {TimeOfDay::morning, grey, {{.52F, .54F, .58F}, {.82F, .81F, .80F}}},
                                      {TimeOfDay::sunset, orange, {{.52F, .34F, .40F}, {1.0F, .62F, .20F}}},
                                      {TimeOfDay::sunset, red, {{.38F, .13F, .24F}, {.94F, .28F, .16F}}},
                                      {TimeOfDay::sunset, pink, {{.50F, .40F, .66F}, {.99F, .58F, .60F}}},
                                      {TimeOfDay::sunset, purple, {{.26F, .16F, .44F}, {.80F, .45F, .66F}}},
                                      {TimeOfDay::evening, purple, {{.16F, .12F, .34F}, {.58F, .37F, .60F}}},
                                      {TimeOfDay::evening, orange, {{.24F, .20F, .34F}, {.86F, .50F, .24F}}},
                                      {TimeOfDay::night, black, {{.010F, .010F, .025F}, {.07F, .08F, .12F}}},
                                      {TimeOfDay::night, blue, {{.015F, .04F, .17F}, {.10F, .19F, .42F}}},
                                      {TimeOfDay::night, purple, {{.07F, .03F, .17F}, {.27F, .14F, .38F}}}}};

template <typename Enum, std::size_t count>
std::string_view pick(const std::array<std::string_view, count>& names, Enum value) {
  return names.at(static_cast<std::size_t>(value));
}

template <ColorName... names>
std::span<const ColorName> list() {
  static constexpr std::array<ColorName, sizeof...(names)> values{names...};
  return values;
}

}  // namespace

Color color_of(ColorName name) {
  return kColors.at(static_cast<std::size_t>(name)).color;
}

SkyColors sky_colors(TimeOfDay time, ColorName sky) {
  for (const auto& entry : kSkies) {
    if (entry.time == time && entry.name == sky) {
      return entry.colors;
    }
  }
  return {color_of(sky) * 0.8F, color_of(sky)};
}

Color light_of(TimeOfDay time, Weather weather) {
  static constexpr std::array<Color, 5> kLight{
      {{1.0F, 1.0F, 1.0F}, {1.0F, .95F, .87F}, {.95F, .77F, .65F}, {.68F, .61F, .69F}, {.42F, .46F, .60F}}};
  const Color light = kLight.at(static_cast<std::size_t>(time));
  return weather == Weather::rain || weather == Weather::fog ? light * 0.85F : light;
}

std::span<const ColorName> sky_names(TimeOfDay time) {
  switch (time) {
    case TimeOfDay::day:
      return list<blue, grey>();
    case TimeOfDay::morning:
      return list<blue, pink, golden, grey>();
    case TimeOfDay::sunset:
      return list<orange, red, pink, purple>();
    case TimeOfDay::evening:
      return list<purple, orange>();
    case TimeOfDay::night:
      return list<black, blue, purple>();
  }
  return {};
}
std::span<const ColorName> mountain_names() {
  return list<grey, blue, purple, brown, red>();
}
std::span<const ColorName> ground_names() {
  return list<green, golden, brown, white>();
}
std::span<const ColorName> lake_names() {
  return list<blue, turquoise, grey>();
}
std::span<const ColorName> sail_names() {
  return list<white, red, yellow>();
}
std::span<const ColorName> wall_names(Building building) {
  switch (building) {
    case Building::house:
      return list<red, white, yellow, blue, brown>();
    case Building::windmill:
      return list<white, brown>();
    case Building::lighthouse:
      return list<white, red>();
    case Building::none:
      break;
  }
  return {};
}
std::span<const ColorName> roof_names() {
  return list<red, brown, grey, black>();
}
std::span<const ColorName> flower_names() {
  return list<red, yellow, white, pink, purple>();
}
std::span<const ColorName> coat_names(Animal animal) {
  switch (animal) {
    case Animal::sheep:
      return list<white, black>();
    case Animal::horse:
      return list<brown, black, white>();
    case Animal::cow:
      return list<brown, black>();
    case Animal::none:
      break;
  }
  return {};
}

std::string_view name_of(ColorName value) {
  return kColors.at(static_cast<std::size_t>(value)).name;
}
std::string_view name_of(TimeOfDay value) {
  return pick(std::array<std::string_view, 5>{"day", "morning", "sunset", "evening", "night"}, value);
}
std::string_view name_of(Weather value) {
  return pick(std::array<std::string_view, 5>{"clear", "cloudy", "rain", "snow", "fog"}, value);
}
std::string_view name_of(Orb value) {
  return pick(std::array<std::string_view, 4>{"none", "sun", "full moon", "crescent moon"}, value);
}
std::string_view name_of(TreeKind value) {
  return pick(std::array<std::string_view, 6>{"none", "pine", "green", "autumn", "bare", "blossom"}, value);
}
std::string_view name_of(Building value) {
  return pick(std::array<std::string_view, 4>{"none", "house", "windmill", "lighthouse"}, value);
}
std::string_view name_of(Animal value) {
  return pick(std::array<std::string_view, 4>{"none", "sheep", "horse", "cow"}, value);
}

}  // namespace fmboost::drawing
