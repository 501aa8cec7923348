#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/text/tokenizer.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using namespace std::string_literals;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

TEST(PromptEncoding, AcceptsAnyUtf8) {
  for (const auto prompt : {"", "a cat", "\u00e9\u4e2d\U0001f600", "\x01\x7f", "\ufeff\ufffe\U0010ffff"}) {
    EXPECT_NO_THROW(check_prompt_encoding(prompt));
  }
}

TEST(PromptEncoding, NamesTheByteThatIsNotUtf8) {
  const std::pair<std::string, std::size_t> broken[] = {
      {"\xff", 0},         {"cat\xe9", 3},           {"caf\xe9 au lait", 3}, {"\u00e9\x80", 2}, {"ab\xc0\xaf", 2},
      {"\xed\xa0\x80", 0}, {"x\xf4\x90\x80\x80", 1}, {"x\xf0\x9f\x98", 1},   {"\xe4\xb8", 0},   {"a b\xfe", 3}};
  for (const auto& [prompt, byte] : broken) {
    EXPECT_THAT(thrown<Error>([&] { check_prompt_encoding(prompt); }),
                AllOf(HasSubstr("not valid UTF-8"), HasSubstr("at byte " + std::to_string(byte) + ";")));
  }
}

TEST(PromptEncoding, NamesTheByteThatIsNul) {
  EXPECT_THAT(thrown<Error>([] { check_prompt_encoding("\0"s); }), HasSubstr("NUL at byte 0;"));
  EXPECT_THAT(thrown<Error>([] { check_prompt_encoding("\u00e9 cat\0dog"s); }), HasSubstr("NUL at byte 6;"));
}

}  // namespace
}  // namespace fmboost
