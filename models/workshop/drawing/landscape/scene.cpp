#include "drawing/scene.h"

#include <array>
#include <nlohmann/json.hpp>

#include "drawing/random.h"

namespace fmboost::drawing {
namespace {

template <typename Value, std::size_t count>
Value pick(Random& random, const std::array<Value, count>& values) {
  return random.choice(values);
}

void draw_sky(Scene& s, Random& random) {
  using enum TimeOfDay;
  s.time = pick(random, std::array{day, day, day, morning, morning, sunset, sunset, sunset, evening, night, night});
  s.weather = pick(random, std::array{Weather::clear, Weather::clear, Weather::clear, Weather::clear, Weather::cloudy,
                                      Weather::cloudy, Weather::cloudy, Weather::rain, Weather::snow, Weather::fog});
  const bool overcast = s.weather != Weather::clear && (s.time == day || s.time == morning);
  do {
    s.sky = random.choice(sky_names(s.time));
  } while (s.sky == ColorName::grey && !(overcast && random.chance(0.8)));
  const bool open = s.weather == Weather::clear || s.weather == Weather::cloudy;
  if (open && s.sky != ColorName::grey && random.chance(0.65)) {
    const bool moon = s.time == night || (s.time == evening && random.chance(0.4));
    s.orb = !moon ? Orb::sun : random.chance(0.5) ? Orb::full_moon : Orb::crescent_moon;
  }
  s.stars = s.time == night && s.weather == Weather::clear && random.chance(0.75);
  s.birds = s.time != night && open && random.chance(0.22);
}

void draw_land(Scene& s, Random& random) {
  if (random.chance(0.12)) {
    s.skyline = true;
  } else if (random.chance(0.62)) {
    s.mountains = random.choice(mountain_names());
    s.snow_caps = random.chance(0.45);
  }
  using enum ColorName;
  s.ground = pick(random, std::array{green, green, green, green, golden, golden, brown, white, white});
  if (s.weather == Weather::snow) {
    s.ground = white;
  } else if (s.weather == Weather::rain && s.ground == white) {
    s.ground = green;
  }
  s.hills = random.chance(0.45);
  if (random.chance(0.42)) {
    s.lake = random.choice(lake_names());
    const double what = random.uniform();
    s.bridge = what < 0.2;
    if (what > 0.75) {
      s.boat = random.choice(sail_names());
    }
    s.birds = s.birds && what >= 0.2 && what <= 0.75;  // keeps the longest captions within the limit
  }
}

void draw_trees(Scene& s, Random& random) {
  using enum TreeKind;
  if (!random.chance(0.6)) {
    return;
  }
  switch (s.ground) {
    case ColorName::white:
      s.trees = pick(random, std::array{pine, pine, pine, bare});
      break;
    case ColorName::green:
      s.trees = pick(random, std::array{pine, pine, green, green, blossom, blossom, autumn, bare});
      break;
    default:
      s.trees = pick(random, std::array{pine, green, autumn, autumn, bare});
  }
  s.tree_count = s.skyline ? pick(random, std::array{1, 3})
                           : pick(random, std::array{1, 3, 12});  // a forest would hide the skyline
}

void draw_objects(Scene& s, Random& random) {
  const double what = random.uniform();
  const double lighthouse = s.lake && !s.bridge ? 0.2 : 0;
  s.building = what < 0.3                ? Building::house
               : what < 0.4              ? Building::windmill
               : what < 0.4 + lighthouse ? Building::lighthouse
                                         : Building::none;
  if (s.building != Building::none) {
    do {
      s.wall = random.choice(wall_names(s.building));
    } while (s.wall == s.ground);
    do {
      s.roof = random.choice(roof_names());
    } while (s.roof == s.wall);
  }
  if (s.ground == ColorName::green && random.chance(0.3)) {
    s.flowers = random.choice(flower_names());
  } else if (s.time != TimeOfDay::night && !s.bridge && !s.boat && random.chance(0.28)) {
    s.animals = pick(random, std::array{Animal::sheep, Animal::horse, Animal::cow});
    do {
      s.coat = random.choice(coat_names(s.animals));
    } while (s.coat == s.ground);
    s.animal_count = pick(random, std::array{1, 3});
  }
}

nlohmann::ordered_json optional_name(const std::optional<ColorName>& color) {
  return color ? nlohmann::ordered_json(name_of(*color)) : nlohmann::ordered_json(nullptr);
}

template <typename Enum>
nlohmann::ordered_json optional_name(Enum value, Enum none) {
  return value == none ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(name_of(value));
}

}  // namespace

Scene random_scene(std::uint64_t seed) {
  Scene scene;
  scene.seed = seed;
  Random random(seed, "scene");
  draw_sky(scene, random);
  draw_land(scene, random);
  draw_trees(scene, random);
  draw_objects(scene, random);
  return scene;
}

std::string contradiction(const Scene& s) {
  const bool open = s.weather == Weather::clear || s.weather == Weather::cloudy;
  const bool night = s.time == TimeOfDay::night;
  const bool white = s.ground == ColorName::white;
  const auto rule = [](bool broken, const char* text) { return broken ? std::string(text) : std::string(); };
  for (const auto& broken :
       {rule(s.stars && !(night && s.weather == Weather::clear), "stars need a clear night"),
        rule(s.orb != Orb::none && !open, "the sun and the moon need a clear or cloudy sky"),
        rule(s.orb == Orb::sun && night, "the sun does not shine at night"),
        rule(s.orb > Orb::sun && s.time < TimeOfDay::evening, "the moon shines in the evening or at night"),
        rule(s.weather == Weather::snow && !white, "snow falls on white ground"),
        rule(s.weather == Weather::rain && white, "rain falls on ground without snow"),
        rule(s.birds && (night || !open), "birds fly by daylight, without rain, snow or fog"),
        rule(s.snow_caps && !s.mountains, "snow caps need mountains"),
        rule((s.bridge || s.boat) && !s.lake, "a bridge or a boat needs a lake"),
        rule(s.building == Building::lighthouse && !s.lake, "a lighthouse needs a lake"),
        rule(s.flowers && s.ground != ColorName::green, "flowers need green ground"),
        rule(s.animals != Animal::none && night, "animals are not seen at night"),
        rule(s.animals != Animal::none && s.coat == s.ground, "the animals' coat must differ in color from the ground"),
        rule(s.trees == TreeKind::blossom && s.ground != ColorName::green, "blossom needs green ground"),
        rule((s.trees == TreeKind::green || s.trees == TreeKind::autumn) && white,
             "leaves need ground without snow")}) {
    if (!broken.empty()) {
      return broken;
    }
  }
  return {};
}

std::string to_json(const Scene& s) {
  nlohmann::ordered_json json{{"seed", s.seed},
                              {"time", name_of(s.time)},
                              {"sky", name_of(s.sky)},
                              {"weather", name_of(s.weather)},
                              {"orb", optional_name(s.orb, Orb::none)},
                              {"stars", s.stars},
                              {"birds", s.birds},
                              {"mountains", optional_name(s.mountains)},
                              {"snow_caps", s.snow_caps},
                              {"skyline", s.skyline},
                              {"ground", name_of(s.ground)},
                              {"hills", s.hills},
                              {"lake", optional_name(s.lake)},
                              {"bridge", s.bridge},
                              {"boat", optional_name(s.boat)},
                              {"trees", optional_name(s.trees, TreeKind::none)},
                              {"tree_count", s.tree_count},
                              {"building", optional_name(s.building, Building::none)}};
  json["wall"] = s.building == Building::none ? nlohmann::ordered_json(nullptr) : name_of(s.wall);
  json["roof"] = s.building == Building::house ? nlohmann::ordered_json(name_of(s.roof)) : nullptr;
  json["flowers"] = optional_name(s.flowers);
  json["animals"] = optional_name(s.animals, Animal::none);
  json["animal_count"] = s.animal_count;
  json["coat"] = s.animals == Animal::none ? nlohmann::ordered_json(nullptr) : name_of(s.coat);
  return json.dump();
}

}  // namespace fmboost::drawing
