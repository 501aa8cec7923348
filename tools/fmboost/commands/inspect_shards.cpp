#include "commands/inspect_shards.h"

#include <algorithm>

#include "fmboost/core/interrupt.h"
#include "fmboost/data/shard_dataset.h"

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
  const ShardDataset dataset(path);
  const LatentPair first = dataset.get(0, 0);
  json result = {{"kind", "shards"},
                 {"path", path.string()},
                 {"shards", dataset.shard_count()},
                 {"samples", dataset.size()},
                 {"latent", first.latent.sizes().vec()},
                 {"latent_lowres", first.context.sizes().vec()},
                 {"keeps_images", dataset.original(0, 0).defined()}};
  if (const auto& info = dataset.info()) {
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
    for (std::size_t i = 0; i < dataset.size(); ++i) {
      check_interrupt();
      dataset.get(i, 0);
    }
    result["verified"] = json::array({"all latents of " + std::to_string(dataset.size()) + " samples"});
  }
  return result;
}

}  // namespace fmboost::tool
