#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace fmboost {

/// A file that comes with the program, by its path in the source tree ("models/default/bundle.json"): installed as
/// ../share/fmboost/PATH beside the executable, or in a folder above it. None when it is at neither.
std::optional<std::filesystem::path> find_shared_data(const std::string& path);

}  // namespace fmboost
