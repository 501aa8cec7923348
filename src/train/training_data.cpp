#include "train/training_data.h"

#include <algorithm>

#include "fmboost/core/error.h"

#include "data/images/image_dataset.h"
#include "data/images/pair_encoder.h"
#include "data/joined_dataset.h"
#include "data/shards/shard_dataset.h"

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

// Opens the folders of one run.
class Opener {
 public:
  Opener(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement)
      : options_(options), bundle_(bundle), placement_(placement) {}

  std::shared_ptr<const PairDataset> open(const std::vector<fs::path>& paths) {
    std::vector<std::shared_ptr<const PairDataset>> parts;
    parts.reserve(paths.size());
    for (const auto& path : paths) {
      parts.push_back(open(path));
    }
    return parts.size() == 1 ? parts.front() : std::make_shared<JoinedDataset>(std::move(parts));
  }

  // The factors of the data; if it has none, the requested one or 2.
  std::set<std::int64_t> factors() const {
    return !factors_.empty() ? factors_ : std::set<std::int64_t>{options_.factor > 0 ? options_.factor : 2};
  }

 private:
  std::shared_ptr<const PairDataset> open(const fs::path& path) {
    if (!fs::exists(path)) {
      throw UsageError("the data '" + path.string() + "' does not exist");
    }
    return holds_shards(path) ? open_shards(path) : open_images(path);
  }

  std::shared_ptr<const PairDataset> open_shards(const fs::path& path) {
    auto shard_options = ShardDatasetOptions::for_autoencoder(*bundle_.manifest().autoencoder);
    shard_options.accept_other_autoencoder = options_.data.accept_other_autoencoder;
    auto shards = std::make_shared<ShardDataset>(path, shard_options);
    const bool upscaled = shards->context_factor() == 1;
    if (upscaled != takes_upsampled()) {
      throw UsageError("`upsampling` " + enum_name(options_.train.flow.upsampling) + " does not fit the shards in '" +
                       path.string() + "', whose contexts " +
                       (upscaled ? "have the latents' size; use pixel" : "are smaller than the latents; use latent"));
    }
    if (!upscaled) {
      add_factor(shards->context_factor(), path);
    } else if (shards->info() && shards->info()->low > 0) {
      add_factor(shards->info()->high / shards->info()->low, path);
    }
    return shards;
  }

  std::shared_ptr<const PairDataset> open_images(const fs::path& path) {
    if (!encoder_) {
      encoder_ = std::make_shared<const PairEncoder>(bundle_, placement_, options_.train.flow.upsampling);
    }
    const auto& crop = options_.data.images.crop;
    add_factor(crop.high / crop.low, path);
    return std::make_shared<ImageDataset>(path, encoder_, options_.data.images);
  }

  // Whether contexts have the latents' size.
  bool takes_upsampled() const {
    const Upsampling upsampling = options_.train.flow.upsampling;
    return upsampling == Upsampling::pixel || upsampling == Upsampling::identity;
  }

  // With pixel-space upsampling contexts have the latents' size for every factor, so that one batch can mix factors.
  void add_factor(std::int64_t found, const fs::path& path) {
    const std::int64_t required =
        options_.factor > 0 || takes_upsampled() || factors_.empty() ? options_.factor : *factors_.begin();
    if (required > 0 && required != found) {
      throw UsageError("the data '" + path.string() + "' upscales by " + std::to_string(found) + ", not by " +
                       std::to_string(required));
    }
    factors_.insert(found);
  }

  const TrainingRunOptions& options_;
  const Bundle& bundle_;
  Placement placement_;
  std::shared_ptr<const PairEncoder> encoder_;
  std::set<std::int64_t> factors_;
};

}  // namespace

TrainingData open_training_data(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement) {
  Opener opener(options, bundle, placement);
  TrainingData data;
  data.training = opener.open(options.data.training);
  data.factors = opener.factors();
  if (!options.data.validation.empty()) {
    data.validation = opener.open(options.data.validation);
    if (opener.factors() != data.factors) {
      throw UsageError("the validation data has a factor that the training data does not have");
    }
  }
  return data;
}

}  // namespace fmboost
