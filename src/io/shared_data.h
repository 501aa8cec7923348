#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace fmboost {

/// A file that is distributed with the program, by its path in the source tree ("models/default/bundle.json"):
/// installed as
/// ../share/fmboost/PATH relative to the executable, or in a folder above it. None if it does not exist.
std::optional<std::filesystem::path> find_shared_data(const std::string& path);

}  // namespace fmboost
