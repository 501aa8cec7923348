#include "drawing/caption.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <iterator>
#include <set>
#include <sstream>

namespace fmboost::drawing {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::uint64_t kSeeds = 20000;

std::vector<std::string> words_of(const std::string& text) {
  std::string spaced;
  for (const char letter : text) {
    spaced += letter == ',' ? std::string(" ,") : std::string(1, letter);
  }
  std::istringstream stream(spaced);
  return {std::istream_iterator<std::string>(stream), {}};
}

Scene sunset_scene() {
  Scene scene;
  scene.time = TimeOfDay::sunset;
  scene.sky = ColorName::orange;
  scene.orb = Orb::sun;
  scene.mountains = ColorName::grey;
  scene.trees = TreeKind::pine;
  scene.tree_count = 3;
  return scene;
}

TEST(Caption, NamesEverythingInPhrasesBetweenCommas) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Scene scene = sunset_scene();
    scene.seed = seed;
    EXPECT_THAT(caption(scene), AllOf(StartsWith("a landscape at sunset, "), HasSubstr(", grey mountains"),
                                      HasSubstr(", a green meadow"), HasSubstr(", three pine trees"),
                                      HasSubstr(", orange sky"), HasSubstr(", the sun")));
    EXPECT_EQ(caption_tokens(caption(scene)), 21);
  }
}

TEST(Caption, UsualOrderIsTheMostFrequent) {
  std::set<std::string> orders;
  int usual = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Scene scene = sunset_scene();
    scene.seed = seed;
    orders.insert(caption(scene));
    usual += caption(scene) ==
             "a landscape at sunset, grey mountains, a green meadow, three pine trees, orange sky, the sun";
  }
  EXPECT_EQ(orders.size(), 12U);  // 3! orders of the land, before the sky or after it
  EXPECT_GT(usual, 350);
  EXPECT_LT(usual, 550);
}

TEST(Caption, NamesTheSeasonOnlyIfItShows) {
  std::set<std::string> starts;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const Scene scene = random_scene(seed);
    const std::string text = caption(scene);
    const bool winter = scene.ground == ColorName::white;
    EXPECT_TRUE(winter || text.find("winter") == std::string::npos) << text;
    EXPECT_TRUE(scene.trees == TreeKind::blossom || text.find("spring") == std::string::npos) << text;
    EXPECT_TRUE(scene.trees == TreeKind::autumn || text.find("an autumn landscape") == std::string::npos) << text;
    starts.insert(text.substr(0, text.find(" landscape")));
  }
  EXPECT_EQ(starts, (std::set<std::string>{"a", "a spring", "a winter", "an autumn"}));
}

TEST(Caption, DoesNotNameAbsentObjects) {
  const std::string text = caption(Scene{});
  EXPECT_THAT(text,
              AnyOf("a landscape by day, a green meadow, blue sky", "a landscape by day, blue sky, a green meadow"));
}

TEST(Caption, NamesEveryObjectOfAFullScene) {
  Scene scene = sunset_scene();
  scene.weather = Weather::cloudy;
  scene.hills = true;
  scene.lake = ColorName::turquoise;
  scene.boat = ColorName::red;
  scene.building = Building::house;
  scene.wall = ColorName::yellow;
  scene.roof = ColorName::brown;
  scene.animals = Animal::horse;
  scene.animal_count = 3;
  scene.coat = ColorName::black;
  scene.birds = true;
  EXPECT_THAT(caption(scene), AllOf(HasSubstr("green hills"), HasSubstr("a turquoise lake"),
                                    HasSubstr("a red sailing boat"), HasSubstr("a yellow house with a brown roof"),
                                    HasSubstr("three black horses"), HasSubstr("birds"), HasSubstr("clouds")));
  EXPECT_THAT(caption(scene), Not(HasSubstr("meadow")));
}

TEST(Caption, HasAtMostFortyEightWordsAndCommas) {
  int longest = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    longest = std::max(longest, caption_tokens(caption(random_scene(seed))));
  }
  EXPECT_LE(longest, 48);
  EXPECT_GE(longest, 40);
}

TEST(CaptionWords, AreSortedAndExactlyThoseOfCaptions) {
  const std::vector<std::string> words = caption_words();
  EXPECT_TRUE(std::is_sorted(words.begin(), words.end()));
  std::set<std::string> used;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const auto& word : words_of(caption(random_scene(seed)))) {
      used.insert(word);
    }
  }
  EXPECT_EQ(used, std::set<std::string>(words.begin(), words.end()));
}

TEST(CaptionTokens, CommasCountAsWords) {
  EXPECT_EQ(caption_tokens("a landscape by day, blue sky"), 7);
}

}  // namespace
}  // namespace fmboost::drawing
