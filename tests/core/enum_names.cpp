#include "fmboost/core/enum_names.h"

#include <gmock/gmock.h>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::StrEq;

enum class Fruit { apple, pear, quince };

}  // namespace

template <>
inline constexpr auto kEnumNames<Fruit> =
    enum_table<Fruit>("fruit", {{Fruit::apple, "apple"}, {Fruit::pear, "pear"}, {Fruit::quince, "quince-tree"}});

namespace {

TEST(EnumNames, ParseEveryNameBackToItsValue) {
  EXPECT_THAT(enum_names<Fruit>(), ElementsAre("apple", "pear", "quince-tree"));
  for (const auto fruit : {Fruit::apple, Fruit::pear, Fruit::quince}) {
    EXPECT_EQ(parse_enum<Fruit>(enum_name(fruit)), fruit);
  }
}

TEST(EnumNames, UnknownNamesListTheChoices) {
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<Fruit>("plum"); }),
              StrEq("unknown fruit 'plum': use apple, pear or quince-tree"));
  EXPECT_THROW(parse_enum<Fruit>(""), UsageError);
  EXPECT_THROW(parse_enum<Fruit>("Apple"), UsageError);
}

TEST(EnumNames, ChoicesReadAsASentence) {
  EXPECT_EQ(list_choices({"one"}), "one");
  EXPECT_EQ(list_choices({"one", "two"}), "one or two");
  EXPECT_EQ(list_choices({"one", "two", "three"}), "one, two or three");
}

}  // namespace
}  // namespace fmboost
