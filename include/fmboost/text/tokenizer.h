#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fmboost {

/// What becomes of a prompt that is longer than a tokenizer's max_length().
enum class LongPrompt {
  truncate,  ///< its tail is cut off
  chunk,     ///< it goes on in further chunks of max_length() ids, each with its own start, end and padding
};

/// "truncate" or "chunk"; throws UsageError for what is neither.
LongPrompt parse_long_prompt(const std::string& name);
std::string long_prompt_name(LongPrompt rule);

/// What a prompt became.
struct TokenizedPrompt {
  /// Exactly Tokenizer::max_length() of them, start, end and padding included; with LongPrompt::chunk as many chunks of
  /// that as it takes, one after the other.
  std::vector<std::int64_t> ids;
  std::string cut;  ///< the tail of the prompt that did not fit, as text; empty: all of it fitted
  std::vector<std::string> unknown_words;  ///< words that the vocabulary lacks, in order, without repetition
};

/// Turns prompts into token ids for a text encoder.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The prompt must be valid UTF-8 without NULs: throws Error otherwise, saying at which byte.
  TokenizedPrompt encode(std::string_view prompt, LongPrompt rule = LongPrompt::truncate) const;

  virtual std::size_t max_length() const = 0;

  /// Words that prompts may use, for tokenizers with a closed vocabulary; empty for those that take any text.
  virtual std::vector<std::string> vocabulary() const { return {}; }

 private:
  /// The same for a prompt that was checked.
  virtual TokenizedPrompt tokenize(std::string_view prompt, LongPrompt rule) const = 0;
};

/// Throws Error when the text is not valid UTF-8 or holds a NUL, naming the byte's position.
void check_prompt_encoding(std::string_view text);

}  // namespace fmboost
