#pragma once

#include <filesystem>

namespace fmboost {

/// The bundle of a .safetensors checkpoint that somebody named where a bundle is expected: imported with the defaults
/// into the user's cache, under the file's hash, when it is first asked for. Says so in the log. Throws as import_model
/// does, and Error where there is no cache folder.
std::filesystem::path imported_bundle(const std::filesystem::path& checkpoint);

}  // namespace fmboost
