#include "fmboost/text/tokenizer.h"

#include <utf8proc.h>

#include "fmboost/core/error.h"

namespace fmboost {

TokenizedPrompt Tokenizer::encode(std::string_view prompt, LongPrompt rule) const {
  check_prompt_encoding(prompt);
  return tokenize(prompt, rule);
}

void check_prompt_encoding(std::string_view text) {
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  std::size_t position = 0;
  while (position < text.size()) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t used =
        utf8proc_iterate(data + position, static_cast<utf8proc_ssize_t>(text.size() - position), &point);
    if (used <= 0) {
      throw Error("the prompt is not valid UTF-8 at byte " + std::to_string(position) + "; save it as UTF-8");
    }
    if (point == 0) {
      throw Error("the prompt contains a NUL at byte " + std::to_string(position) + "; is it a text file?");
    }
    position += static_cast<std::size_t>(used);
  }
}

}  // namespace fmboost
