#include "text/clip_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

using testing::ElementsAre;
using Ids = std::vector<std::int64_t>;

constexpr std::int64_t kStart = 49406;
constexpr std::int64_t kEnd = 49407;
constexpr std::int64_t kCat = 2368;

const ClipTokenizer& tokenizer() {
  static const std::filesystem::path folder = FMBOOST_CLIP;
  static const ClipTokenizer instance(folder / "vocab.json", folder / "merges.txt");
  return instance;
}

std::string cats(int count) {
  std::string prompt;
  for (int i = 0; i < count; ++i) {
    prompt += i == 0 ? "cat" : " cat";
  }
  return prompt;
}

// Ids in these tests are those of CLIPTokenizer of transformers 5.23.

TEST(ClipTokenizer, ComposesCharactersBeforeItSplits) {
  EXPECT_EQ(tokenizer().encode_all("caf\u00e9"), Ids{15304});
  EXPECT_EQ(tokenizer().encode_all("cafe\u0301"), Ids{15304});
}

TEST(ClipTokenizer, AcceptsEmojiAndOtherScripts) {
  EXPECT_THAT(tokenizer().encode_all("😀 👍🏽"), ElementsAre(7334, 43722));
  EXPECT_THAT(tokenizer().encode_all("中文"), ElementsAre(19759, 255, 29032, 485));
  EXPECT_THAT(tokenizer().encode_all("na\u00efve \ufb01anc\u00e9"),
              ElementsAre(1097, 35689, 563, 171, 105, 223, 1124, 4166));
}

TEST(ClipTokenizer, LowersCaseAndCollapsesWhiteSpace) {
  EXPECT_EQ(tokenizer().encode_all("A Photo OF"), tokenizer().encode_all("a photo of"));
  EXPECT_THAT(tokenizer().encode_all("  a \t\n b\u3000c"), ElementsAre(320, 321, 322));
  EXPECT_THAT(tokenizer().encode_all("\u0130stanbul"), ElementsAre(328, 16384, 11231));
}

TEST(ClipTokenizer, SplitsContractionsNumbersAndPunctuation) {
  EXPECT_THAT(tokenizer().encode_all("don't we'll I'M"), ElementsAre(847, 713, 649, 1342, 328, 880));
  EXPECT_THAT(tokenizer().encode_all("2024"), ElementsAre(273, 271, 273, 275));
  EXPECT_THAT(tokenizer().encode_all("...!?"), ElementsAre(3002, 6004));
}

TEST(ClipTokenizer, AcceptsSpecialTokensInsideAPrompt) {
  EXPECT_THAT(tokenizer().encode_all("a<|endoftext|>b"), ElementsAre(320, kEnd, 321));
  EXPECT_THAT(tokenizer().encode_all("<|startoftext|> cat"), ElementsAre(kStart, kCat));
  EXPECT_THAT(tokenizer().encode_all("<|endoftext|><|endoftext|>"), ElementsAre(kEnd, kEnd));
  EXPECT_GT(tokenizer().encode_all("<|endoftext").size(), 1U);
}

TEST(ClipTokenizer, FillsAnEmptyPromptWithPadding) {
  for (const auto prompt : {"", "  \n\t "}) {
    const auto result = tokenizer().encode(prompt);
    Ids expected(77, kEnd);
    expected.front() = kStart;
    EXPECT_EQ(result.ids, expected);
    EXPECT_EQ(result.cut, "");
  }
}

TEST(ClipTokenizer, FillsExactlyTheMaximumLength) {
  EXPECT_EQ(tokenizer().max_length(), 77U);
  const auto result = tokenizer().encode(cats(75));
  Ids expected(77, kCat);
  expected.front() = kStart;
  expected.back() = kEnd;
  EXPECT_EQ(result.ids, expected);
  EXPECT_EQ(result.cut, "");
}

TEST(ClipTokenizer, ReportsTheTextItCutsOff) {
  const auto result = tokenizer().encode(cats(75) + " a red House");
  EXPECT_EQ(result.ids, tokenizer().encode(cats(75)).ids);
  EXPECT_EQ(result.cut, "a red house");
}

TEST(ClipTokenizer, WordCutInTwoCountsAsCut) {
  const auto whole = tokenizer().encode_all("supercalifragilistic");
  ASSERT_GE(whole.size(), 2U);
  const auto result = tokenizer().encode(cats(74) + " supercalifragilistic dog");
  EXPECT_EQ(result.ids[75], whole.front());
  EXPECT_EQ(result.ids[76], kEnd);
  EXPECT_EQ(result.cut, "supercalifragilistic dog");
}

TEST(ClipTokenizer, ExcessTokensFillFurtherChunksOnRequest) {
  const auto chunk = [](const std::string& prompt) { return tokenizer().encode(prompt, LongPrompt::chunk); };
  EXPECT_EQ(chunk("").ids, tokenizer().encode("").ids);
  EXPECT_EQ(chunk(cats(75)).ids, tokenizer().encode(cats(75)).ids);
  const auto result = chunk(cats(151) + " dog");
  Ids expected;
  for (const auto& part : {cats(75), cats(75), std::string("cat dog")}) {
    const Ids ids = tokenizer().encode(part).ids;
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(result.ids, expected);
  EXPECT_EQ(result.cut, "");
}

TEST(ClipTokenizer, PaddingAndLimitComeFromTheBundle) {
  const std::filesystem::path folder = FMBOOST_CLIP;
  const ClipTokenizer other(folder / "vocab.json", folder / "merges.txt",
                            {.max_length = 5, .start = 1, .end = 2, .pad = 0});
  EXPECT_THAT(other.encode("cat").ids, ElementsAre(1, kCat, 2, 0, 0));
  EXPECT_THAT(other.encode("cat cat cat cat").ids, ElementsAre(1, kCat, kCat, kCat, 2));
  EXPECT_THAT(other.encode("cat cat cat cat", LongPrompt::chunk).ids,
              ElementsAre(1, kCat, kCat, kCat, 2, 1, kCat, 2, 0, 0));
  EXPECT_THAT(other.encode("<|endoftext|>").ids, ElementsAre(1, 2, 2, 0, 0));
}

TEST(ClipTokenizer, AcceptsWordsOfAnyLength) {
  std::string word;
  for (int i = 0; i < 100'000; ++i) {
    word += static_cast<char>('a' + i % 23 * (i % 19) % 26);
  }
  const auto result = tokenizer().encode(word);
  EXPECT_EQ(result.ids.size(), 77U);
  EXPECT_TRUE(result.cut == word);
}

TEST(ClipTokenizer, TextMustBeUtf8) {
  EXPECT_THROW(tokenizer().encode("cat \xff"), Error);
  EXPECT_THROW(tokenizer().encode("cat \xff", LongPrompt::chunk), Error);
  EXPECT_THROW(tokenizer().encode_all("cat \xff"), Error);
}

}  // namespace
}  // namespace fmboost
