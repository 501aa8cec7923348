#include "text/word_tokenizer.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "fmboost/core/error.h"

#include "text/model_text.h"
#include "text/unicode.h"

namespace fmboost {
namespace {

// White space separates words; a comma is a word.
std::vector<std::string> split_words(std::string_view prompt) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) {
      words.push_back(std::move(word));
    }
    word.clear();
  };
  for (const char32_t point : to_code_points(lower_case(prompt))) {
    if (is_white_space(point) || point == U',') {
      finish();
    } else {
      word += to_utf8(point);
    }
    if (point == U',') {
      words.emplace_back(",");
    }
  }
  finish();
  return words;
}

// Removes the punctuation of "sunset." and "(house)".
std::string without_punctuation(const std::string& word) {
  constexpr std::string_view kPunctuation = ".;:!?\"'()[]";
  const std::size_t first = word.find_first_not_of(kPunctuation);
  return first == std::string::npos ? word : word.substr(first, word.find_last_not_of(kPunctuation) + 1 - first);
}

}  // namespace

WordTokenizer::WordTokenizer(const std::filesystem::path& words, WordTokenizerOptions options) : options_(options) {
  try {
    words_ = nlohmann::json::parse(read_model_text(words)).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw ModelError("'" + words.string() + "' must hold a JSON list of words");
  }
  for (std::size_t i = 0; i < words_.size(); ++i) {
    ids_.emplace(words_[i], static_cast<std::int64_t>(i));
  }
}

TokenizedPrompt WordTokenizer::tokenize(std::string_view prompt, LongPrompt rule) const {
  TokenizedPrompt result;
  std::unordered_set<std::string> unknown;
  for (std::string word : split_words(prompt)) {
    if (!ids_.contains(word)) {
      word = without_punctuation(word);
    }
    const auto found = ids_.find(word);
    if (found == ids_.end()) {
      if (unknown.insert(word).second) {
        result.unknown_words.push_back(word);
      }
    } else if (result.ids.size() < options_.max_length || rule == LongPrompt::chunk) {
      result.ids.push_back(found->second);
    } else {
      result.cut += (result.cut.empty() ? "" : " ") + word;
    }
  }
  if (result.ids.empty()) {
    result.ids.push_back(options_.null);
  }
  const std::size_t chunks = (result.ids.size() + options_.max_length - 1) / options_.max_length;
  result.ids.resize(chunks * options_.max_length, options_.pad);
  return result;
}

std::vector<std::string> WordTokenizer::vocabulary() const {
  return words_;
}

}  // namespace fmboost
