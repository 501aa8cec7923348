#include "training_data.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/train/pair_encoder.h"
#include "fmboost/train/shard_dataset.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

bool holds_shards(const fs::path& path) {
  if (!fs::is_directory(path)) {
    return true;
  }
  return std::any_of(fs::directory_iterator(path), fs::directory_iterator(),
                     [](const auto& entry) { return entry.path().extension() == ".tar"; });
}

// What opens every folder of one run.
class Opener {
 public:
  Opener(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement)
      : options_(options), bundle_(bundle), placement_(placement) {}

  std::shared_ptr<const PairDataset> open(const fs::path& path) {
    if (!fs::exists(path)) {
      throw UsageError("the data '" + path.string() + "' does not exist");
    }
    return holds_shards(path) ? open_shards(path) : open_pictures(path);
  }

  std::int64_t factor() const { return factor_ > 0 ? factor_ : 2; }

 private:
  std::shared_ptr<const PairDataset> open_shards(const fs::path& path) {
    auto shard_options = ShardDatasetOptions::for_autoencoder(*bundle_.manifest().autoencoder);
    shard_options.accept_other_autoencoder = options_.data.accept_other_autoencoder;
    auto shards = std::make_shared<ShardDataset>(path, shard_options);
    const bool enlarged = shards->context_factor() == 1;
    const Upsampling upsampling = options_.train.flow.upsampling;
    if (enlarged != (upsampling == Upsampling::psu || upsampling == Upsampling::identity)) {
      throw UsageError(
          "the shards in '" + path.string() + "' hold contexts " +
          (enlarged ? "of the latents' size, which psu takes" : "that are smaller than the latents, which lsu takes") +
          "; --coupling " + upsampling_name(upsampling) + " does not");
    }
    if (!enlarged) {
      set_factor(shards->context_factor(), path);
    } else if (shards->info() && shards->info()->low > 0) {
      set_factor(shards->info()->high / shards->info()->low, path);
    }
    return shards;
  }

  std::shared_ptr<const PairDataset> open_pictures(const fs::path& path) {
    if (!encoder_) {
      encoder_ = std::make_shared<const PairEncoder>(bundle_, placement_, options_.train.flow.upsampling);
    }
    const auto& crop = options_.data.images.crop;
    set_factor(crop.high / crop.low, path);
    return std::make_shared<ImageDataset>(path, encoder_, options_.data.images);
  }

  void set_factor(std::int64_t found, const fs::path& path) {
    const std::int64_t wanted = options_.factor > 0 ? options_.factor : factor_;
    if (wanted > 0 && wanted != found) {
      throw UsageError("the data '" + path.string() + "' teaches to enlarge by " + std::to_string(found) + ", not by " +
                       std::to_string(wanted));
    }
    factor_ = found;
  }

  const TrainingRunOptions& options_;
  const Bundle& bundle_;
  Placement placement_;
  std::shared_ptr<const PairEncoder> encoder_;
  std::int64_t factor_ = options_.factor;
};

}  // namespace

TrainingData open_training_data(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement) {
  Opener opener(options, bundle, placement);
  TrainingData data;
  data.training = opener.open(options.data.training);
  if (!options.data.validation.empty()) {
    data.validation = opener.open(options.data.validation);
  }
  data.factor = opener.factor();
  return data;
}

}  // namespace fmboost
