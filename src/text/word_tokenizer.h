#pragma once

#include <unordered_map>

#include "fmboost/text/tokenizer.h"

namespace fmboost {

struct WordTokenizerOptions {
  std::size_t max_length = 48;
  std::int64_t pad = 0;
  std::int64_t null = 1;  ///< the only id of a prompt without a known word
};

/// A closed list of words; the id of a word is its index in the list. Text is lower-cased and a comma is a separate
/// word. Other punctuation around a word is ignored if the word is unknown with it. Unknown words are skipped and
/// reported.
class WordTokenizer final : public Tokenizer {
 public:
  /// words: a JSON list of strings. Throws ModelError naming the file if it is missing or malformed.
  explicit WordTokenizer(const std::filesystem::path& words, WordTokenizerOptions options = {});

  std::size_t max_length() const override { return options_.max_length; }
  std::vector<std::string> vocabulary() const override;

 private:
  TokenizedPrompt tokenize(std::string_view prompt, LongPrompt rule) const override;

  WordTokenizerOptions options_;
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

}  // namespace fmboost
