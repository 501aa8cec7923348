#pragma once

#include <string>
#include <vector>

namespace fmboost::tool {

/// The candidate that takes the fewest edits to become `word`, or an empty text when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace fmboost::tool
