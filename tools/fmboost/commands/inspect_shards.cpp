#include "commands/inspect_shards.h"

#include <algorithm>

#include "fmboost/data/shard_info.h"

namespace fmboost::tool {

namespace fs = std::filesystem;
using nlohmann::json;

bool looks_like_shards(const fs::path& path) {
  if (!fs::is_directory(path)) {
    return path.extension() == ".tar";
  }
  if (fs::exists(path / "bundle.json")) {
    return false;
  }
  const auto entries = fs::directory_iterator(path);
  return std::any_of(begin(entries), end(entries),
                     [](const auto& entry) { return entry.path().extension() == ".tar"; });
}

json describe_shards(const fs::path& path, bool verify) {
  const ShardSummary summary = inspect_shards(path, /*read_all=*/verify);
  json result = {{"kind", "shards"},
                 {"path", path.string()},
                 {"shards", summary.shards},
                 {"samples", summary.samples},
                 {"latent", summary.latent_shape},
                 {"latent_lowres", summary.context_shape},
                 {"keeps_images", summary.keeps_images}};
  if (const auto& info = summary.info) {
    result["made_by"] = {{"bundle", info->bundle_name},
                         {"bundle_hash", info->bundle_hash},
                         {"autoencoder_hash", info->autoencoder_hash},
                         {"scale", info->scale},
                         {"shift", info->shift},
                         {"upsampling", info->upsampling},
                         {"low", info->low},
                         {"high", info->high},
                         {"downsampling", info->downsampling},
                         {"crop", info->crop},
                         {"crops", info->crops},
                         {"flip", info->flip},
                         {"seed", info->seed},
                         {"stored_dtype", info->stored_dtype},
                         {"images", info->images},
                         {"planned_shards", info->shards}};
  }
  if (verify) {
    result["verified"] = json::array({"all latents of " + std::to_string(summary.samples) + " samples"});
  }
  return result;
}

}  // namespace fmboost::tool
