#include "text/word_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Words : public testing::Test {
 protected:
  void write(const std::string& text) const { write_file_atomically(folder_ / "words.json", as_bytes(text)); }
  WordTokenizer load(WordTokenizerOptions options = {.max_length = 4}) const {
    write(R"(["<pad>", "<null>", ",", "red", "house", "\u00fcber"])");
    return WordTokenizer(folder_ / "words.json", options);
  }
  std::string complaint() const {
    return thrown<ModelError>([&] { WordTokenizer(folder_ / "words.json"); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(Words, IdsArePositionsInTheList) {
  EXPECT_THAT(load().encode("red house").ids, ElementsAre(3, 4, 0, 0));
  EXPECT_EQ(load().max_length(), 4U);
  EXPECT_THAT(load().vocabulary(), ElementsAre("<pad>", "<null>", ",", "red", "house", "über"));
}

TEST_F(Words, CaseAndSpacingDoNotMatter) {
  EXPECT_EQ(load().encode("\t RED\u00a0\n House ").ids, load().encode("red house").ids);
  EXPECT_THAT(load().encode("\u00dcBER").ids, ElementsAre(5, 0, 0, 0));
}

TEST_F(Words, EveryCommaIsAWord) {
  EXPECT_THAT(load().encode("red,house").ids, ElementsAre(3, 2, 4, 0));
  EXPECT_THAT(load().encode(",, red").ids, ElementsAre(2, 2, 3, 0));
}

TEST_F(Words, SurroundingPunctuationIsIgnored) {
  EXPECT_EQ(load().encode("\"Red\" (house)...").ids, load().encode("red house").ids);
  EXPECT_THAT(load().encode("house! castle? - red.house ;").unknown_words,
              ElementsAre("castle", "-", "red.house", ";"));
  write(R"(["<pad>", "<null>", "st.", "st"])");
  EXPECT_THAT(WordTokenizer(folder_ / "words.json", {.max_length = 3}).encode("St. st! st.").ids, ElementsAre(2, 3, 2));
}

TEST_F(Words, UnknownWordsAreSkippedAndReportedOnce) {
  const auto result = load().encode("Shiny red Castle, shiny house!");
  EXPECT_THAT(result.ids, ElementsAre(3, 2, 4, 0));
  EXPECT_THAT(result.unknown_words, ElementsAre("shiny", "castle"));
  EXPECT_EQ(result.cut, "");
}

TEST_F(Words, NullWordReplacesAnEmptyPrompt) {
  for (const auto prompt : {"", "   ", "castle"}) {
    EXPECT_THAT(load().encode(prompt).ids, ElementsAre(1, 0, 0, 0)) << prompt;
  }
  EXPECT_THAT(load().encode("").unknown_words, IsEmpty());
  EXPECT_THAT(load({.max_length = 3, .pad = 7, .null = 8}).encode("").ids, ElementsAre(8, 7, 7));
}

TEST_F(Words, ExcessWordsAreCutAndReported) {
  EXPECT_EQ(load().encode("red red red red").cut, "");
  const auto result = load().encode("red red red red castle house, RED");
  EXPECT_THAT(result.ids, ElementsAre(3, 3, 3, 3));
  EXPECT_EQ(result.cut, "house , red");
  EXPECT_THAT(result.unknown_words, ElementsAre("castle"));
}

TEST_F(Words, ExcessWordsFillFurtherChunksOnRequest) {
  EXPECT_THAT(load().encode("", LongPrompt::chunk).ids, ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(load().encode("red red red house", LongPrompt::chunk).ids, ElementsAre(3, 3, 3, 4));
  const auto result = load().encode("red red red red castle house, RED", LongPrompt::chunk);
  EXPECT_THAT(result.ids, ElementsAre(3, 3, 3, 3, 4, 2, 3, 0));
  EXPECT_EQ(result.cut, "");
  EXPECT_THAT(result.unknown_words, ElementsAre("castle"));
}

TEST(LongPrompts, PoliciesHaveNames) {
  for (const auto rule : {LongPrompt::truncate, LongPrompt::chunk}) {
    EXPECT_EQ(parse_enum<LongPrompt>(enum_name(rule)), rule);
  }
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<LongPrompt>("split"); }), HasSubstr("'split': use truncate or chunk"));
}

TEST_F(Words, PromptMustBeUtf8WithoutNuls) {
  EXPECT_THAT(thrown<Error>([&] { load().encode("red \xff"); }), HasSubstr("at byte 4;"));
  EXPECT_THAT(thrown<Error>([&] { load().encode(std::string("red\0", 4)); }), HasSubstr("NUL at byte 3;"));
}

TEST_F(Words, VocabularyIsAJsonListOfStrings) {
  EXPECT_THAT(complaint(), AllOf(HasSubstr("words.json"), HasSubstr("No such file")));
  for (const auto text : {"", "[", "{}", "[1]", "[\"a\", null]", "\"red\"", "[\"\xff\"]"}) {
    write(text);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("words.json"), HasSubstr("JSON list of words"))) << text;
  }
}

}  // namespace
}  // namespace fmboost
