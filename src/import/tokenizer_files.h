#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace fmboost {

/// The vocabulary of CLIP.
struct TokenizerFiles {
  std::string vocab;   ///< content of vocab.json
  std::string merges;  ///< content of merges.txt
  std::int64_t start = 49406, end = 49407, pad = 49407;
  std::int64_t largest_id = 49407;
  std::optional<std::int64_t> max_length;  ///< none: that of the text encoder
};

/// Reads vocab.json and merges.txt, or else tokenizer.json, and tokenizer_config.json if it exists. Throws
/// ModelError naming the file that is missing or malformed.
TokenizerFiles read_tokenizer_folder(const std::filesystem::path& folder);

/// The vocabulary of all Stable Diffusion 1 and 2 models, which is installed with the program. Throws ModelError if it
/// is missing.
TokenizerFiles shipped_tokenizer();

/// Writes vocab.json and merges.txt into `folder`/tokenizer. Returns the entry in bundle.json, without max_length.
nlohmann::json write_tokenizer(const TokenizerFiles& files, const std::filesystem::path& folder);

}  // namespace fmboost
