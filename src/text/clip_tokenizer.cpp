#include "fmboost/text/clip_tokenizer.h"

#include "clip_split.h"
#include "unicode.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/files.h"

namespace fmboost {
namespace {

using Ranks = std::unordered_map<std::string, int>;  ///< "left right" -> place in the list of merges

// Every byte as a printable character: the printable ones of Latin-1 stand for themselves, the rest follow from U+0100.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> table;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table[static_cast<std::size_t>(byte)] = to_utf8(printable ? static_cast<char32_t>(byte) : next++);
  }
  return table;
}

std::unordered_map<std::string, std::int64_t> read_vocabulary(const std::filesystem::path& file) {
  try {
    return nlohmann::json::parse(read_text_file(file)).get<std::unordered_map<std::string, std::int64_t>>();
  } catch (const nlohmann::json::exception&) {
    throw ModelError("'" + file.string() + "' must hold a JSON object from token to id");
  } catch (const ModelError&) {
    throw;
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

Ranks read_merges(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_text_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
  Ranks ranks;
  std::size_t start = 0;
  for (int line_number = 1; start < text.size(); ++line_number) {
    std::size_t end = text.find('\n', start);
    end = end == std::string::npos ? text.size() : end;
    std::string line = text.substr(start, end - start);
    start = end + 1;
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    if (line.empty() || (line_number == 1 && line.rfind("#version", 0) == 0)) {
      continue;
    }
    const auto space = line.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string::npos) {
      throw ModelError("'" + file.string() + "', line " + std::to_string(line_number) +
                       ": a merge is two tokens with a space between them, found '" + line + "'");
    }
    ranks.emplace(line, static_cast<int>(ranks.size()));
  }
  return ranks;
}

}  // namespace

struct ClipTokenizer::Implementation {
  ClipTokenizerOptions options;
  std::unordered_map<std::string, std::int64_t> vocabulary;
  Ranks ranks;
  std::array<std::string, 256> bytes = byte_characters();
  std::int64_t unknown = 0;

  std::vector<std::string> merge(const std::string& word) const;
  void append_ids(const std::string& word, std::vector<std::int64_t>& ids) const;
};

// Byte-pair encoding: the adjacent pair of the lowest rank is merged, wherever it stands, until none is left.
std::vector<std::string> ClipTokenizer::Implementation::merge(const std::string& word) const {
  std::vector<std::string> symbols;
  for (const unsigned char byte : word) {
    symbols.push_back(bytes[byte]);
  }
  symbols.back() += "</w>";
  while (symbols.size() > 1) {
    int best = std::numeric_limits<int>::max();
    std::pair<std::string, std::string> pair;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find(symbols[i] + " " + symbols[i + 1]);
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        pair = {symbols[i], symbols[i + 1]};
      }
    }
    if (best == std::numeric_limits<int>::max()) {
      break;
    }
    std::vector<std::string> merged;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if (i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second) {
        merged.push_back(symbols[i] + symbols[i + 1]);
        ++i;
      } else {
        merged.push_back(std::move(symbols[i]));
      }
    }
    symbols = std::move(merged);
  }
  return symbols;
}

void ClipTokenizer::Implementation::append_ids(const std::string& word, std::vector<std::int64_t>& ids) const {
  if (word == kStartOfText || word == kEndOfText) {
    ids.push_back(word == kStartOfText ? options.start : options.end);
    return;
  }
  for (const auto& symbol : merge(word)) {
    const auto found = vocabulary.find(symbol);
    ids.push_back(found == vocabulary.end() ? unknown : found->second);
  }
}

ClipTokenizer::ClipTokenizer(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                             ClipTokenizerOptions options) {
  auto implementation = std::make_unique<Implementation>();
  if (options.max_length < 3) {
    throw ModelError("a CLIP tokenizer needs a max_length of at least 3, found " + std::to_string(options.max_length));
  }
  implementation->options = options;
  implementation->vocabulary = read_vocabulary(vocab);
  implementation->ranks = read_merges(merges);
  implementation->unknown = options.end;
  implementation_ = std::move(implementation);
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

TokenizedPrompt ClipTokenizer::encode(std::string_view prompt) const {
  check_prompt_encoding(prompt);
  const ClipTokenizerOptions& options = implementation_->options;
  const std::size_t room = options.max_length - 2;
  TokenizedPrompt result;
  std::vector<std::int64_t> ids;
  for (const auto& word : split_for_clip(prompt)) {
    implementation_->append_ids(word, ids);
    if (ids.size() > room) {
      result.cut += (result.cut.empty() ? "" : " ") + word;
    }
  }
  ids.resize(std::min(ids.size(), room));
  result.ids.push_back(options.start);
  result.ids.insert(result.ids.end(), ids.begin(), ids.end());
  result.ids.push_back(options.end);
  result.ids.resize(options.max_length, options.pad);
  return result;
}

}  // namespace fmboost
