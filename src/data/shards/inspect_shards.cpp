#include "fmboost/core/interrupt.h"
#include "fmboost/data/shard_info.h"

#include "data/shards/shard_dataset.h"

namespace fmboost {

ShardSummary inspect_shards(const std::filesystem::path& path, bool read_all) {
  const ShardDataset dataset(path);
  const LatentPair first = dataset.get(0, 0);
  if (read_all) {
    for (std::size_t i = 0; i < dataset.size(); ++i) {
      check_interrupt();
      dataset.get(i, 0);
    }
  }
  return {.shards = dataset.shard_count(),
          .samples = dataset.size(),
          .latent_shape = first.latent.sizes().vec(),
          .context_shape = first.context.sizes().vec(),
          .keeps_images = dataset.original(0, 0).defined(),
          .info = dataset.info()};
}

}  // namespace fmboost
