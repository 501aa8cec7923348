#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace fmboost {

/// "optimizer.lr was 0.001 and is 0.002" for every value of `now` that differs from the one in `before`. `prefix`
/// precedes the names.
std::vector<std::string> json_differences(const nlohmann::json& before, const nlohmann::json& now,
                                          const std::string& prefix = "");

}  // namespace fmboost
