#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace fmboost::tool {

/// True for a .tar archive, and for a folder of archives that is not a bundle.
bool looks_like_shards(const std::filesystem::path& path);

/// The contents of the shards and of their dataset.json. With `verify` all latents are read. Throws Error naming
/// archive and member.
nlohmann::json describe_shards(const std::filesystem::path& path, bool verify);

}  // namespace fmboost::tool
