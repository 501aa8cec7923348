#pragma once

#include <filesystem>

namespace fmboost {

/// The bundle of a .safetensors checkpoint that somebody named where a bundle is expected: imported with the defaults
/// into the user's cache, under the file's hash, when it is first asked for. Says so in the log. Bundles of the cache
/// that were used longest ago are then removed beyond 20 GiB, or $FMBOOST_IMPORT_CACHE_GIB; never this one, nor those
/// that running processes got from here. Throws as import_model does, Error where there is no cache folder, and
/// UsageError where the variable is no number.
std::filesystem::path imported_bundle(const std::filesystem::path& checkpoint);

}  // namespace fmboost
