#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "text/clip_tokenizer.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ClipFiles : public testing::Test {
 protected:
  void vocabulary(const std::string& text) const { write_file_atomically(folder_ / "vocab.json", as_bytes(text)); }
  void merges(const std::string& text) const { write_file_atomically(folder_ / "merges.txt", as_bytes(text)); }
  ClipTokenizer load(ClipTokenizerOptions options = {}) const {
    return {folder_ / "vocab.json", folder_ / "merges.txt", options};
  }
  std::string complaint() const {
    return thrown<ModelError>([&] { load(); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(ClipFiles, SmallFilesGiveASmallTokenizer) {
  vocabulary(R"({"a": 0, "b": 1, "c</w>": 2, "ab": 3, "abc</w>": 4, "b</w>": 5})");
  merges("#version: 0.2\na b\nab c</w>\n");
  EXPECT_THAT(load().encode_all("abc"), ElementsAre(4));
  EXPECT_THAT(load().encode_all("ABABC"), ElementsAre(3, 4));
  EXPECT_THAT(load({.end = 9}).encode_all("xb"), ElementsAre(9, 5)) << "the end stands for what the vocabulary lacks";
}

TEST_F(ClipFiles, LeftmostOfOverlappingPairsIsMerged) {
  vocabulary(R"({"a": 0, "a</w>": 1, "aa": 2})");
  merges("a a\n");
  EXPECT_THAT(load().encode_all("aaaa"), ElementsAre(2, 0, 1));
  EXPECT_THAT(load().encode_all("aaaaa"), ElementsAre(2, 2, 1));
}

TEST_F(ClipFiles, WindowsLineEndsAndMissingHeaderAreAccepted) {
  vocabulary(R"({"ab</w>": 7})");
  merges("a b</w>\r\n\r\n");
  EXPECT_THAT(load().encode_all("ab"), ElementsAre(7));
}

TEST_F(ClipFiles, MissingFileIsNamed) {
  EXPECT_THAT(complaint(), AllOf(HasSubstr("vocab.json"), HasSubstr("No such file")));
  vocabulary("{}");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("merges.txt"), HasSubstr("No such file")));
}

TEST_F(ClipFiles, VocabularyMustBeAJsonObjectFromTokenToId) {
  merges("");
  for (const auto text : {"", "{", "[]", "[[\"a\",1]]", "1", "\xff"}) {
    vocabulary(text);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("vocab.json"),
                                   AnyOf(HasSubstr("not valid JSON"), HasSubstr("must hold a JSON object"))))
        << text;
  }
  for (const auto id : {"-1", "1.5", "true", "\"1\"", "null", "[1]"}) {
    vocabulary(std::string(R"({"cat</w>": )") + id + "}");
    EXPECT_THAT(complaint(), AllOf(HasSubstr("vocab.json"), HasSubstr("'cat</w>'"), HasSubstr("whole number"))) << id;
  }
}

TEST_F(ClipFiles, EachMergeNeedsTwoTokens) {
  vocabulary("{}");
  for (const std::string line : {"ab", "a b c", " b", "a ", " "}) {
    merges("#version: 0.2\na b\n" + line + "\n");
    EXPECT_THAT(complaint(), AllOf(HasSubstr("merges.txt"), HasSubstr("line 3"), HasSubstr("'" + line + "'"))) << line;
  }
}

TEST_F(ClipFiles, ErrorsQuoteOnlyAnExcerpt) {
  vocabulary("{}");
  merges(std::string(1'000'000, 'x'));
  EXPECT_LT(complaint().size(), 300U);
}

TEST_F(ClipFiles, LengthMustHoldStartWordAndEnd) {
  vocabulary("{}");
  merges("");
  EXPECT_THAT(thrown<ModelError>([&] { load({.max_length = 2}); }), HasSubstr("at least 3, found 2"));
  EXPECT_EQ(load({.max_length = 3}).max_length(), 3U);
}

}  // namespace
}  // namespace fmboost
