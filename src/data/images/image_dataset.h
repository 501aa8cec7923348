#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/images/latent_cache.h"
#include "data/images/pair_encoder.h"
#include "data/pair_dataset.h"

namespace fmboost {

/// Pairs made from a folder of images during training: read, decode, crop, mirror, downsample, encode. A sample's seed
/// selects one of the image's squares, which are those that encode_images stores for the same options. An image that
/// cannot be read or is too small is reported once, and the next one replaces it.
class ImageDataset final : public PairDataset {
 public:
  /// Uses the images below `folder`. Throws UsageError if there are none, or for sizes that do not fit the encoder.
  ImageDataset(std::filesystem::path folder, std::shared_ptr<const PairEncoder> encoder, ImageDatasetOptions options);

  /// The number of images, including unusable ones.
  std::size_t size() const override { return files_.size(); }
  /// Throws Error if no image can be used.
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
  std::string settings_;  ///< everything a pair depends on except the image and the square's number
  mutable LatentCache cache_;
  mutable std::mutex mutex_;                 ///< guards the members below
  mutable std::vector<std::string> hashes_;  ///< of the files' contents; empty until a file has been read
  mutable std::set<std::size_t> bad_;        ///< files that have been reported as unusable
};

}  // namespace fmboost
