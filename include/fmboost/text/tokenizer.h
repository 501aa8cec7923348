#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fmboost {

/// What a prompt became.
struct TokenizedPrompt {
  std::vector<std::int64_t> ids;  ///< exactly Tokenizer::max_length() of them, start, end and padding included
  std::string cut;                ///< the tail of the prompt that did not fit, as text; empty: all of it fitted
  std::vector<std::string> unknown_words;  ///< words that the vocabulary lacks, in order, without repetition
};

/// Turns prompts into token ids for a text encoder.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The prompt must be valid UTF-8 without NULs: throws Error otherwise, saying at which byte.
  virtual TokenizedPrompt encode(std::string_view prompt) const = 0;

  virtual std::size_t max_length() const = 0;

  /// Words that prompts may use, for tokenizers with a closed vocabulary; empty for those that take any text.
  virtual std::vector<std::string> vocabulary() const { return {}; }
};

/// Throws Error when the text is not valid UTF-8 or holds a NUL, naming the byte's position.
void check_prompt_encoding(std::string_view text);

}  // namespace fmboost
