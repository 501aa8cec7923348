#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fmboost/core/enum_names.h"

namespace fmboost {

/// How a prompt longer than Tokenizer::max_length() is handled.
enum class LongPrompt {
  truncate,  ///< the tail is cut off
  chunk,     ///< it continues in further chunks of max_length() ids, each with its own start, end and padding
};

template <>
inline constexpr auto kEnumNames<LongPrompt> =
    enum_table<LongPrompt>("rule for long prompts", {{LongPrompt::truncate, "truncate"}, {LongPrompt::chunk, "chunk"}});

/// The result of tokenizing a prompt.
struct TokenizedPrompt {
  /// Exactly Tokenizer::max_length() ids, including start, end and padding; with LongPrompt::chunk one or more chunks
  /// of that length, one after the other.
  std::vector<std::int64_t> ids;
  std::string cut;                         ///< the tail that was cut off, as text; empty if the whole prompt fitted
  std::vector<std::string> unknown_words;  ///< words missing from the vocabulary, in order, without repetition
};

/// Turns prompts into token ids for a text encoder.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The prompt must be valid UTF-8 without NULs; otherwise throws Error naming the byte position.
  TokenizedPrompt encode(std::string_view prompt, LongPrompt rule = LongPrompt::truncate) const;

  virtual std::size_t max_length() const = 0;

  /// The words that prompts may use, for tokenizers with a closed vocabulary; empty for those that accept any text.
  virtual std::vector<std::string> vocabulary() const { return {}; }

 private:
  /// Tokenizes a prompt whose encoding has been checked.
  virtual TokenizedPrompt tokenize(std::string_view prompt, LongPrompt rule) const = 0;
};

/// Throws Error naming the byte position if the text is not valid UTF-8 or contains a NUL.
void check_prompt_encoding(std::string_view text);

}  // namespace fmboost
