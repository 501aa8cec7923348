#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace fmboost::tool {

/// True for an archive and for a folder of archives that is no bundle.
bool looks_like_shards(const std::filesystem::path& path);

/// What the shards hold and what their dataset.json says. With `verify` every latent is read. Throws Error naming
/// archive and member.
nlohmann::json describe_shards(const std::filesystem::path& path, bool verify);

}  // namespace fmboost::tool
