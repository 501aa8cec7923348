#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/latent_cache.h"
#include "data/pair_dataset.h"
#include "data/pair_encoder.h"

namespace fmboost {

struct ImageDatasetOptions {
  /// How images are cut. `crops`: the squares of an image that are ever taken; an epoch takes one of them. Few of
  /// them make the cache useful, many make the data richer.
  ImageCropOptions crop{.crops = 4};
  LatentCacheOptions cache;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// Pairs made of a folder of images while training: read, decode, cut, mirror, reduce, encode. A sample's seed
/// chooses one of the image's squares; these are the ones that encode_images would store for the same options. A
/// image that cannot be read or is too small is reported once, and the next one takes its place.
class ImageDataset final : public PairDataset {
 public:
  /// Takes the images below `folder`. Throws UsageError when there are none, or for sizes that do not fit the
  /// encoder.
  ImageDataset(std::filesystem::path folder, std::shared_ptr<const PairEncoder> encoder, ImageDatasetOptions options);

  /// Images, bad ones counted.
  std::size_t size() const override { return files_.size(); }
  /// Throws Error when no image can be used.
  LatentPair get(std::size_t index, std::uint64_t seed) const override;
  torch::Tensor original(std::size_t index, std::uint64_t seed) const override;

 private:
  template <typename Use>
  auto with_image(std::size_t index, const Use& use) const;
  LatentPair pair_of(std::size_t index, std::int64_t crop) const;
  std::optional<EncodedPairs> cached(std::size_t index, std::int64_t crop) const;
  std::string cache_key(const std::string& content_hash, std::int64_t crop) const;

  std::filesystem::path folder_;
  std::shared_ptr<const PairEncoder> encoder_;
  ImageDatasetOptions options_;
  std::vector<std::filesystem::path> files_;
  std::string settings_;  ///< all that a pair depends on besides the image and the square's number
  mutable LatentCache cache_;
  mutable std::mutex mutex_;                 ///< of what is below
  mutable std::vector<std::string> hashes_;  ///< of the files' contents, as they become known
  mutable std::set<std::size_t> bad_;        ///< files that have been reported
};

}  // namespace fmboost
