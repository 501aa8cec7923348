// Prompts: ids of the promised number for all valid UTF-8, an Error for the rest.
#include <algorithm>

#include "fmboost/core/error.h"

#include "require.h"
#include "text/clip_tokenizer.h"
#include "text/word_tokenizer.h"

using namespace fmboost;

namespace {

const ClipTokenizer& clip() {
  static const std::filesystem::path folder = FMBOOST_CLIP;
  static const ClipTokenizer tokenizer(folder / "vocab.json", folder / "merges.txt");
  return tokenizer;
}

const WordTokenizer& words() {
  static const WordTokenizer tokenizer(std::filesystem::path(FMBOOST_DEFAULT_MODEL) / "tokenizer" / "words.json");
  return tokenizer;
}

bool is_valid(std::string_view prompt) {
  try {
    check_prompt_encoding(prompt);
    return true;
  } catch (const Error&) {
    return false;
  }
}

template <typename Work>
void expect_error(const Work& work) {
  try {
    work();
  } catch (const Error&) {
    return;
  }
  REQUIRE(!"a prompt that is no text was taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view prompt(reinterpret_cast<const char*>(data), size);
  if (!is_valid(prompt)) {
    expect_error([&] { clip().encode(prompt); });
    expect_error([&] { words().encode(prompt); });
    return 0;
  }
  const auto all = clip().encode_all(prompt);
  const auto result = clip().encode(prompt);
  const std::size_t kept = std::min(all.size(), clip().max_length() - 2);
  REQUIRE(result.ids.size() == clip().max_length());
  REQUIRE(std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), result.ids.begin() + 1));
  REQUIRE(result.cut.empty() == (kept == all.size()));
  REQUIRE(std::all_of(all.begin(), all.end(), [](std::int64_t id) { return id >= 0 && id < 49408; }));
  REQUIRE(words().encode(prompt).ids.size() == words().max_length());
  return 0;
}
