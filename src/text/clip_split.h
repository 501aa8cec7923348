#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fmboost {

inline constexpr std::string_view kStartOfText = "<|startoftext|>";
inline constexpr std::string_view kEndOfText = "<|endoftext|>";

/// Cleans a prompt like CLIP (NFC, white space collapsed, lower case) and splits it into words by the published
/// pattern: special tokens, 's 't 're 've 'm 'll 'd, runs of letters, single numbers, runs of all other characters
/// except white space.
std::vector<std::string> split_for_clip(std::string_view prompt);

}  // namespace fmboost
