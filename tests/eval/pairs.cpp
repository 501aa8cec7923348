#include "fmboost/eval/pairs.h"

#include <gmock/gmock.h>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Files = std::vector<std::filesystem::path>;

std::string refusal(const Files& a, const Files& b) {
  return test::thrown<UsageError>([&] { pair_by_name(a, "mine", b, "theirs"); });
}

TEST(PairByName, EqualNamesArePairedForAnyOrderAndSuffix) {
  const auto pairs = pair_by_name({"mine/b.png", "mine/a.jpg"}, "mine", {"theirs/a.png", "theirs/b.webp"}, "theirs");
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].name, "a");
  EXPECT_EQ(pairs[0].image, "mine/a.jpg");
  EXPECT_EQ(pairs[0].reference, "theirs/a.png");
  EXPECT_EQ(pairs[1].name, "b");
  EXPECT_EQ(pairs[1].reference, "theirs/b.webp");
}

TEST(PairByName, ImagesWithoutPartnerAreNamedOnBothSides) {
  const std::string message = refusal({"mine/a.png", "mine/c.png"}, {"theirs/a.png", "theirs/d.jpg"});
  EXPECT_THAT(message, AllOf(HasSubstr("1 image of 'mine' without a partner in 'theirs': 'c.png'"),
                             HasSubstr("1 image of 'theirs' without a partner in 'mine': 'd.jpg'")));
  EXPECT_THAT(message, Not(HasSubstr("'a.png'")));
}

TEST(PairByName, OnlyTheFirstFiveAreNamed) {
  const std::string message = refusal({"mine/a.png"}, {"a.png", "1.png", "2.png", "3.png", "4.png", "5.png", "6.png"});
  EXPECT_THAT(message, AllOf(HasSubstr("6 images of 'theirs'"), HasSubstr("'5.png', ..."), Not(HasSubstr("'6.png'"))));
}

TEST(PairByName, DuplicateNamesAreRefused) {
  EXPECT_THAT(refusal({"mine/a.jpg", "mine/a.png"}, {"theirs/a.png"}),
              AllOf(HasSubstr("'a.jpg' and 'a.png' in 'mine'"), HasSubstr("same name")));
}

}  // namespace
}  // namespace fmboost
