#include "text/clip_tokenizer.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "fmboost/core/error.h"

#include "io/json_reader.h"
#include "text/byte_pairs.h"
#include "text/clip_split.h"
#include "text/model_text.h"

namespace fmboost {
namespace {

std::unordered_map<std::string, std::int64_t> read_vocabulary(const std::filesystem::path& file) {
  const JsonReader parsed = JsonReader::parse(read_model_text(file), file.string());
  std::unordered_map<std::string, std::int64_t> vocabulary;
  for (const auto& [token, id] : parsed.value().items()) {
    if (!id.is_number_unsigned()) {
      throw ModelError("'" + file.string() + "': the id of the token '" + token +
                       "' must be a whole number of at least 0");
    }
    vocabulary.emplace(token, id.get<std::int64_t>());
  }
  return vocabulary;
}

}  // namespace

struct ClipTokenizer::Implementation {
  ClipTokenizerOptions options;
  std::unordered_map<std::string, std::int64_t> vocabulary;
  BytePairs pairs;

  std::size_t room() const { return options.max_length - 2; }  ///< ids of the prompt per chunk
  void append_ids(const std::string& word, std::vector<std::int64_t>& ids) const;
  std::vector<std::int64_t> chunked(const std::vector<std::int64_t>& ids) const;
};

void ClipTokenizer::Implementation::append_ids(const std::string& word, std::vector<std::int64_t>& ids) const {
  if (word == kStartOfText || word == kEndOfText) {
    ids.push_back(word == kStartOfText ? options.start : options.end);
    return;
  }
  for (const auto& token : pairs.split(word)) {
    const auto found = vocabulary.find(token);
    ids.push_back(found == vocabulary.end() ? options.end : found->second);
  }
}

// Adds start, end and padding to every chunk of `ids`; there is at least one.
std::vector<std::int64_t> ClipTokenizer::Implementation::chunked(const std::vector<std::int64_t>& ids) const {
  std::vector<std::int64_t> result;
  std::size_t used = 0;
  do {
    const std::size_t count = std::min(ids.size() - used, room());
    const std::size_t end = result.size() + options.max_length;
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(used);
    result.push_back(options.start);
    result.insert(result.end(), first, first + static_cast<std::ptrdiff_t>(count));
    result.push_back(options.end);
    result.resize(end, options.pad);
    used += count;
  } while (used < ids.size());
  return result;
}

ClipTokenizer::ClipTokenizer(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                             ClipTokenizerOptions options) {
  if (options.max_length < 3) {
    throw ModelError("a CLIP tokenizer needs a max_length of at least 3, found " + std::to_string(options.max_length));
  }
  implementation_ =
      std::make_unique<Implementation>(Implementation{options, read_vocabulary(vocab), BytePairs(merges)});
}

ClipTokenizer::~ClipTokenizer() = default;

std::size_t ClipTokenizer::max_length() const {
  return implementation_->options.max_length;
}

std::vector<std::int64_t> ClipTokenizer::encode_all(std::string_view prompt) const {
  check_prompt_encoding(prompt);
  std::vector<std::int64_t> ids;
  for (const auto& word : split_for_clip(prompt)) {
    implementation_->append_ids(word, ids);
  }
  return ids;
}

TokenizedPrompt ClipTokenizer::tokenize(std::string_view prompt, LongPrompt rule) const {
  const std::size_t room = implementation_->room();
  TokenizedPrompt result;
  std::vector<std::int64_t> ids;
  for (const auto& word : split_for_clip(prompt)) {
    if (ids.size() <= room || rule == LongPrompt::chunk) {
      implementation_->append_ids(word, ids);
    }
    if (ids.size() > room && rule == LongPrompt::truncate) {
      result.cut += (result.cut.empty() ? "" : " ") + word;
    }
  }
  if (rule == LongPrompt::truncate) {
    ids.resize(std::min(ids.size(), room));
  }
  result.ids = implementation_->chunked(ids);
  return result;
}

}  // namespace fmboost
