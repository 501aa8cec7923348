#include "data/shards/json_differences.h"

#include <nlohmann/json.hpp>

namespace fmboost {

using nlohmann::json;

std::vector<std::string> json_differences(const json& before, const json& now, const std::string& prefix) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : now.items()) {
    const json old = before.is_object() ? before.value(key, json()) : json();
    if (value.is_object()) {
      const auto nested = json_differences(old, value, prefix + key + ".");
      lines.insert(lines.end(), nested.begin(), nested.end());
    } else if (value != old) {
      lines.push_back(prefix + key + " was " + old.dump() + " and is " + value.dump());
    }
  }
  return lines;
}

}  // namespace fmboost
