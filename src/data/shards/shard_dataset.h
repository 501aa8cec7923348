#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/data/shard_info.h"
#include "fmboost/model/manifest.h"

#include "data/pair_dataset.h"
#include "io/tar.h"

namespace fmboost {

struct ShardDatasetOptions {
  double scale = 1.0;  ///< stored latents become (latent - shift) * scale
  double shift = 0.0;
  std::int64_t latent_channels = 0;       ///< required of every latent; 0: any
  std::string autoencoder_hash;           ///< required latent_space_hash; empty: not compared
  bool accept_other_autoencoder = false;  ///< warns instead of throwing if the hashes differ

  /// The options for a bundle's autoencoder.
  static ShardDatasetOptions for_autoencoder(const AutoencoderEntry& autoencoder);
};

/// Pairs in WebDataset-style shards: tar archives with KEY.latent.npy and KEY.latent_lowres.npy (C, H, W), float16 or
/// float32, not scaled; other members of KEY are allowed. `fmboost encode` writes this layout and the published trainer
/// reads it. Archives are mapped into memory; headers are read once, when the dataset is opened.
class ShardDataset final : public PairDataset {
 public:
  /// `path`: a folder, whose .tar files are read in order of their names, or one archive. Throws Error naming archive
  /// and member if there are no shards, for a truncated or compressed archive, another layout, a pair without one of
  /// its two latents, arrays that cannot be read, sizes that do not fit each other, or another autoencoder. Shards
  /// without an autoencoder hash are accepted with a notice.
  explicit ShardDataset(const std::filesystem::path& path, ShardDatasetOptions options = {});
  ~ShardDataset() override;

  std::size_t size() const override { return samples_.size(); }
  /// The seed has no effect: crops and flips were drawn when the shards were made. Throws Error for numbers that are
  /// not finite.
  LatentPair get(std::size_t index, std::uint64_t seed) const override;
  /// The image KEY.jpg (or .png, .webp); undefined if there is none.
  torch::Tensor original(std::size_t index, std::uint64_t seed) const override;

  /// The folder's dataset.json, if it exists.
  const std::optional<ShardSetInfo>& info() const { return info_; }
  std::size_t shard_count() const { return shards_.size(); }
  /// The side of a latent divided by the side of its context, the same for all samples. It is 1 if the context was
  /// upscaled when the shards were made (pixel-space upsampling).
  std::int64_t context_factor() const { return context_factor_; }

 private:
  struct Shard;
  struct Range {
    std::size_t offset = 0;  ///< 0: no such member (a tar header always comes first)
    std::size_t size = 0;
  };
  struct Sample {
    std::size_t shard = 0;
    std::string key;
    Range latent, context, image, json;
    const char* image_suffix = "";
  };

  void add_shard(const std::filesystem::path& file);
  void add_member(Sample& sample, const TarMember& member, const std::string& suffix) const;
  void keep_pairs(std::size_t first, const std::vector<TarMember>& members);
  void check_shapes(const Sample& sample);
  void check_autoencoder() const;
  void report_other_autoencoder(const std::filesystem::path& shard, const std::string& found) const;
  std::string hash_in_sample(const Sample& sample) const;
  std::string name_of(const Sample& sample, const std::string& suffix) const;
  std::span<const std::byte> bytes_of(const Sample& sample, const Range& range) const;
  torch::Tensor load(const Sample& sample, const Range& range, const std::string& suffix) const;

  ShardDatasetOptions options_;
  std::filesystem::path folder_;
  std::optional<ShardSetInfo> info_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Sample> samples_;
  std::int64_t context_factor_ = 0;
};

}  // namespace fmboost
