#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace fmboost {

/// CLIP's vocabulary, whichever way it was stored.
struct TokenizerFiles {
  std::string vocab;   ///< content of vocab.json
  std::string merges;  ///< content of merges.txt
  std::int64_t start = 49406, end = 49407, pad = 49407;
  std::int64_t largest_id = 49407;
  std::optional<std::int64_t> max_length;  ///< none: as long as the text encoder reads
};

/// Reads vocab.json and merges.txt, or else tokenizer.json, and tokenizer_config.json where there is one. Throws
/// ModelError naming the file that is missing or malformed.
TokenizerFiles read_tokenizer_folder(const std::filesystem::path& folder);

/// The one that is installed with the program; all of Stable Diffusion 1 and 2 have it. Throws ModelError when it is
/// not there.
TokenizerFiles shipped_tokenizer();

/// Writes vocab.json and merges.txt into `folder`/tokenizer. Returns bundle.json's entry, without max_length.
nlohmann::json write_tokenizer(const TokenizerFiles& files, const std::filesystem::path& folder);

}  // namespace fmboost
