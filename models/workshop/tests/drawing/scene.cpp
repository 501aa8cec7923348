#include "drawing/scene.h"

#include <functional>
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace fmboost::drawing {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kSeeds = 4000;

TEST(RandomScene, IsDeterministic) {
  EXPECT_EQ(random_scene(7), random_scene(7));
  EXPECT_NE(to_json(random_scene(7)), to_json(random_scene(8)));
}

TEST(RandomScene, IsFreeOfContradictions) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    EXPECT_THAT(contradiction(random_scene(seed)), IsEmpty()) << seed;
  }
}

TEST(RandomScene, EveryValueIsFrequentEnoughToLearn) {
  std::map<std::string, std::map<std::string, int>> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto json = nlohmann::json::parse(to_json(random_scene(seed)));
    for (const auto& [key, value] : json.items()) {
      if (key != "seed") {
        ++seen[key][value.dump()];
      }
    }
  }
  // All values, and null for an optional object.
  const std::map<std::string, std::size_t> values = {
      {"time", 5},      {"sky", 8},       {"weather", 5}, {"orb", 4},          {"stars", 2},    {"birds", 2},
      {"mountains", 6}, {"snow_caps", 2}, {"skyline", 2}, {"ground", 4},       {"hills", 2},    {"lake", 4},
      {"bridge", 2},    {"boat", 4},      {"trees", 6},   {"tree_count", 4},   {"building", 4}, {"wall", 6},
      {"roof", 5},      {"flowers", 6},   {"animals", 4}, {"animal_count", 3}, {"coat", 4}};
  EXPECT_EQ(seen.size(), values.size());
  for (const auto& [key, count] : values) {
    EXPECT_EQ(seen[key].size(), count) << key;
    for (const auto& [value, times] : seen[key]) {
      EXPECT_GE(times, static_cast<int>(kSeeds) / 200) << key << " " << value;
    }
  }
}

TEST(Contradiction, NamesTheRuleThatIsBroken) {
  struct Case {
    std::function<void(Scene&)> make;
    const char* message;
  };
  const Case cases[] = {
      {[](Scene& s) { s.stars = true; }, "stars need a clear night"},
      {[](Scene& s) { s.orb = Orb::sun, s.time = TimeOfDay::night; }, "does not shine at night"},
      {[](Scene& s) { s.orb = Orb::full_moon; }, "the moon shines in the evening"},
      {[](Scene& s) { s.orb = Orb::sun, s.weather = Weather::fog; }, "need a clear or cloudy sky"},
      {[](Scene& s) { s.weather = Weather::snow; }, "snow falls on white ground"},
      {[](Scene& s) { s.weather = Weather::rain, s.ground = ColorName::white; }, "rain falls on ground without snow"},
      {[](Scene& s) { s.birds = true, s.weather = Weather::rain; }, "birds fly by daylight"},
      {[](Scene& s) { s.snow_caps = true; }, "snow caps need mountains"},
      {[](Scene& s) { s.bridge = true; }, "needs a lake"},
      {[](Scene& s) { s.boat = ColorName::red; }, "needs a lake"},
      {[](Scene& s) { s.building = Building::lighthouse; }, "a lighthouse needs a lake"},
      {[](Scene& s) { s.flowers = ColorName::red, s.ground = ColorName::brown; }, "flowers need green ground"},
      {[](Scene& s) { s.animals = Animal::cow, s.time = TimeOfDay::night; }, "animals are not seen at night"},
      {[](Scene& s) { s.animals = Animal::sheep, s.ground = s.coat = ColorName::white; }, "differ in color"},
      {[](Scene& s) { s.trees = TreeKind::blossom, s.ground = ColorName::golden; }, "blossom needs green ground"},
      {[](Scene& s) { s.trees = TreeKind::autumn, s.ground = ColorName::white; }, "leaves need ground without snow"}};
  for (const auto& [make, message] : cases) {
    Scene scene;
    EXPECT_THAT(contradiction(scene), IsEmpty());
    make(scene);
    EXPECT_THAT(contradiction(scene), HasSubstr(message));
  }
}

TEST(SceneJson, AbsentObjectsAreNull) {
  Scene scene;
  scene.seed = 9;
  const auto json = nlohmann::json::parse(to_json(scene));
  EXPECT_EQ(json["seed"], 9);
  EXPECT_EQ(json["sky"], "blue");
  for (const char* key : {"orb", "mountains", "lake", "boat", "trees", "building", "wall", "roof", "animals", "coat"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
}

TEST(SceneJson, OnlyHousesHaveARoof) {
  Scene scene;
  scene.building = Building::house;
  EXPECT_EQ(nlohmann::json::parse(to_json(scene))["roof"], "red");
  scene.building = Building::windmill;
  EXPECT_TRUE(nlohmann::json::parse(to_json(scene))["roof"].is_null());
}

TEST(Colors, AreClearlyDistinct) {
  for (int a = 0; a <= static_cast<int>(ColorName::turquoise); ++a) {
    for (int b = 0; b < a; ++b) {
      const Color d = color_of(static_cast<ColorName>(a)) - color_of(static_cast<ColorName>(b));
      EXPECT_GT(d.r * d.r + d.g * d.g + d.b * d.b, 0.02F) << a << " " << b;
    }
  }
}

TEST(SkyColors, AreBrighterAtTheHorizonAndDarkerAtNight) {
  for (int t = 0; t <= static_cast<int>(TimeOfDay::night); ++t) {
    const auto time = static_cast<TimeOfDay>(t);
    for (const ColorName name : sky_names(time)) {
      const SkyColors sky = sky_colors(time, name);
      EXPECT_GT(luma(sky.horizon), luma(sky.top)) << t << name_of(name);
      EXPECT_EQ(luma(sky.horizon) < 0.25F, time == TimeOfDay::night) << t << name_of(name);
    }
  }
}

}  // namespace
}  // namespace fmboost::drawing
