#pragma once

#include <map>
#include <memory>

#include "fmboost/text/tokenizer.h"

namespace fmboost {

struct ClipTokenizerOptions {
  std::size_t max_length = 77;
  std::int64_t start = 49406;
  std::int64_t end = 49407;
  std::int64_t pad = 49407;
};

/// CLIP's byte-pair encoding: NFC, white space collapsed, lower case, split by the published pattern, bytes mapped to
/// printable characters, merges in order of rank, "</w>" at the end of a word
/// (https://github.com/openai/CLIP, simple_tokenizer.py). Special-token strings inside a prompt become their ids.
class ClipTokenizer final : public Tokenizer {
 public:
  /// vocab: JSON object from token to id; merges: a header line, then one pair per line.
  /// Throws ModelError naming the file if either is missing or malformed.
  ClipTokenizer(const std::filesystem::path& vocab, const std::filesystem::path& merges,
                ClipTokenizerOptions options = {});
  ~ClipTokenizer() override;

  std::size_t max_length() const override;

  /// All ids of a prompt, without start, end, padding or limit.
  std::vector<std::int64_t> encode_all(std::string_view prompt) const;

 private:
  TokenizedPrompt tokenize(std::string_view prompt, LongPrompt rule) const override;

  struct Implementation;
  std::unique_ptr<const Implementation> implementation_;
};

}  // namespace fmboost
