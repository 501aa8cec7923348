#include "drawing/caption.h"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "drawing/random.h"

namespace fmboost::drawing {
namespace {

using Phrases = std::vector<std::string>;

std::string word(ColorName color) {
  return std::string(name_of(color));
}

std::string time_phrase(TimeOfDay time) {
  return std::array{"by day", "in the morning", "at sunset", "in the evening", "at night"}.at(
      static_cast<size_t>(time));
}

std::string ground_phrase(ColorName ground, bool hills) {
  if (hills) {
    return word(ground) + " hills";
  }
  switch (ground) {
    case ColorName::white:
      return "a snowy field";
    case ColorName::brown:
      return "a brown desert";
    case ColorName::golden:
      return "a golden field";
    default:
      return "a " + word(ground) + " meadow";
  }
}

std::string tree_phrase(TreeKind kind, int count, bool article) {
  const std::string name(name_of(kind));
  if (count == 1) {
    return (!article ? "one " : kind == TreeKind::autumn ? "an " : "a ") + name + " tree";
  }
  return (count == 3 ? "three " : "a forest of ") + name + " trees";
}

std::string animal_phrase(Animal animal, ColorName coat, int count, bool article) {
  const std::string name(name_of(animal));
  const bool plural = count > 1 && animal != Animal::sheep;
  return (count > 1 ? "three " : article ? "a " : "one ") + word(coat) + " " + name + (plural ? "s" : "");
}

std::string building_phrase(Building building, ColorName wall, ColorName roof) {
  const std::string text = "a " + word(wall) + " " + std::string(name_of(building));
  return building == Building::house ? text + " with a " + word(roof) + " roof" : text;
}

std::string season(const Scene& scene) {
  if (scene.ground == ColorName::white) {
    return "a winter";
  }
  return scene.trees == TreeKind::blossom ? "a spring" : scene.trees == TreeKind::autumn ? "an autumn" : "a";
}

Phrases land_phrases(const Scene& s, Random& random) {
  Phrases phrases;
  const bool article = random.chance(0.5);
  if (s.mountains) {
    phrases.push_back((s.snow_caps ? "snowy " : "") + word(*s.mountains) + " mountains");
  }
  if (s.skyline) {
    phrases.emplace_back("a city skyline");
  }
  phrases.push_back(ground_phrase(s.ground, s.hills));
  if (s.lake) {
    phrases.push_back("a " + word(*s.lake) + " lake");
  }
  if (s.bridge) {
    phrases.emplace_back("a stone bridge");
  }
  if (s.boat) {
    phrases.push_back("a " + word(*s.boat) + " sailing boat");
  }
  if (s.trees != TreeKind::none) {
    phrases.push_back(tree_phrase(s.trees, s.tree_count, article));
  }
  if (s.building != Building::none) {
    phrases.push_back(building_phrase(s.building, s.wall, s.roof));
  }
  if (s.flowers) {
    phrases.push_back(word(*s.flowers) + " flowers");
  }
  if (s.animals != Animal::none) {
    phrases.push_back(animal_phrase(s.animals, s.coat, s.animal_count, article));
  }
  return phrases;
}

Phrases sky_phrases(const Scene& s) {
  Phrases phrases{word(s.sky) + " sky"};
  constexpr std::array kOrb{"", "the sun", "a full moon", "a crescent moon"};
  constexpr std::array kWeather{"", "clouds", "rain", "falling snow", "fog"};
  for (const char* phrase : {kOrb.at(static_cast<size_t>(s.orb)), s.stars ? "stars" : "",
                             kWeather.at(static_cast<size_t>(s.weather)), s.birds ? "birds" : ""}) {
    if (*phrase != '\0') {
      phrases.emplace_back(phrase);
    }
  }
  return phrases;
}

void shuffle(Phrases& phrases, Random& random) {
  for (int i = static_cast<int>(phrases.size()) - 1; i > 0; --i) {
    std::swap(phrases[static_cast<size_t>(i)], phrases[static_cast<size_t>(random.below(i + 1))]);
  }
}

}  // namespace

std::string caption(const Scene& scene) {
  Random random(scene.seed, "caption");
  Phrases land = land_phrases(scene, random);
  Phrases sky = sky_phrases(scene);
  std::string text = (random.chance(0.5) ? season(scene) : "a") + " landscape " + time_phrase(scene.time);
  if (random.chance(0.5)) {
    shuffle(land, random);
  }
  if (random.chance(0.25)) {
    std::swap(land, sky);
  }
  land.insert(land.end(), sky.begin(), sky.end());
  for (const auto& phrase : land) {
    text += ", " + phrase;
  }
  return text;
}

int caption_tokens(const std::string& caption) {
  const auto gaps = std::count(caption.begin(), caption.end(), ' ');
  return static_cast<int>(gaps + 1 + std::count(caption.begin(), caption.end(), ','));
}

std::vector<std::string> caption_words() {
  std::ostringstream text;
  text << ", a an one landscape spring autumn winter a city skyline a stone bridge lake sailing boat snowy mountains "
          "sky "
          "the sun stars clouds rain falling snow fog birds full crescent moon ";
  for (int color = 0; color <= static_cast<int>(ColorName::turquoise); ++color) {
    text << word(static_cast<ColorName>(color)) << " flowers ";
  }
  for (int time = 0; time <= static_cast<int>(TimeOfDay::night); ++time) {
    text << time_phrase(static_cast<TimeOfDay>(time)) << ' ';
  }
  for (const ColorName ground : ground_names()) {
    text << ground_phrase(ground, false) << ' ' << ground_phrase(ground, true) << ' ';
  }
  for (int kind = 1; kind <= static_cast<int>(TreeKind::blossom); ++kind) {
    for (const int count : {1, 3, 12}) {
      text << tree_phrase(static_cast<TreeKind>(kind), count, true) << ' ';
    }
  }
  for (int kind = 1; kind < 4; ++kind) {
    text << building_phrase(static_cast<Building>(kind), ColorName::red, ColorName::red) << ' '
         << animal_phrase(static_cast<Animal>(kind), ColorName::black, 1, false) << ' '
         << animal_phrase(static_cast<Animal>(kind), ColorName::black, 3, false) << ' ';
  }
  std::istringstream words(text.str());
  std::set<std::string> sorted;
  for (std::string one; words >> one;) {
    sorted.insert(one);
  }
  return {sorted.begin(), sorted.end()};
}

}  // namespace fmboost::drawing
