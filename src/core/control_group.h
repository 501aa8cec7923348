#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace fmboost {

/// Bytes left under the tightest memory limit of the control groups of a process; none if there is no limit. File cache
/// that the kernel drops under memory pressure does not count as used.
/// root: where the groups are mounted (/sys/fs/cgroup). membership: the text of /proc/self/cgroup. Versions 1 and 2;
/// https://docs.kernel.org/admin-guide/cgroup-v2.html.
std::optional<std::int64_t> control_group_available(const std::filesystem::path& root, const std::string& membership);

}  // namespace fmboost
