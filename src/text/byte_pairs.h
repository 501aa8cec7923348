#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fmboost {

/// The byte-pair encoding of words in CLIP.
class BytePairs {
 public:
  /// merges: a header line, then one pair of tokens per line, in order of rank. Throws ModelError naming the file.
  explicit BytePairs(const std::filesystem::path& merges);

  /// The tokens of a word that is not empty: its bytes as printable characters, "</w>" after the last one, adjacent
  /// pairs merged in order of rank. Takes n log n steps for n bytes.
  std::vector<std::string> split(std::string_view word) const;

 private:
  std::unordered_map<std::string, std::size_t> ranks_;  ///< "left right" -> index in the list of merges
  std::array<std::string, 256> characters_;
};

}  // namespace fmboost
