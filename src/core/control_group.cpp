#include "core/control_group.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// The files of one version of control groups.
struct Layout {
  fs::path mount;
  const char* limit;
  const char* usage;
  const char* cache;  // a key of memory.stat
};

// The value of a kernel file; none if it is missing or "max".
std::optional<std::int64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  std::int64_t value = 0;
  return stream >> value ? std::optional(value) : std::nullopt;
}

std::int64_t statistic(const fs::path& file, const std::string& wanted) {
  std::ifstream stream(file);
  std::string key;
  for (std::int64_t value = 0; stream >> key >> value;) {
    if (key == wanted) {
      return value;
    }
  }
  return 0;
}

std::optional<std::int64_t> left_in(const fs::path& group, const Layout& layout) {
  const auto limit = number_in(group / layout.limit);
  const auto usage = number_in(group / layout.usage);
  if (!limit || !usage) {
    return std::nullopt;
  }
  const std::int64_t used = *usage - statistic(group / "memory.stat", layout.cache);
  return std::max<std::int64_t>(*limit - std::max<std::int64_t>(used, 0), 0);
}

// The group's path, from its line "number:controllers:path". In a container whose own group is mounted as the root,
// the path may not exist or may lie above that root.
fs::path group_path(const std::string& membership, const std::string& controller) {
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers.find("," + controller + ",") != std::string::npos && path.find("..") == std::string::npos) {
      return fs::path(path).relative_path();
    }
  }
  return {};
}

}  // namespace

std::optional<std::int64_t> control_group_available(const fs::path& root, const std::string& membership) {
  const std::pair<Layout, fs::path> versions[] = {
      {{root, "memory.max", "memory.current", "inactive_file"}, group_path(membership, "")},
      {{root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
       group_path(membership, "memory")}};
  std::optional<std::int64_t> least;
  for (const auto& [layout, path] : versions) {
    for (fs::path group = path;; group = group.parent_path()) {
      const auto left = left_in(layout.mount / group, layout);
      least = left && (!least || *left < *least) ? left : least;
      if (group.empty()) {
        break;
      }
    }
  }
  return least;
}

}  // namespace fmboost
