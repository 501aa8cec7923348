#pragma once

#include <string>
#include <vector>

namespace fmboost::tool {

/// The candidate with the smallest edit distance to `word`, or an empty text when none is close.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace fmboost::tool
