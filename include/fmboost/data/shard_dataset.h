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
  std::int64_t latent_channels = 0;       ///< that every latent must have; 0: any
  std::string autoencoder_hash;           ///< latent_space_hash of the bundle that is trained; empty: not compared
  bool accept_other_autoencoder = false;  ///< a warning instead of an error where the hashes differ
  std::string latent_suffix = "latent.npy";
  std::string context_suffix = "latent_lowres.npy";

  /// What a bundle's autoencoder asks for.
  static ShardDatasetOptions for_autoencoder(const AutoencoderEntry& autoencoder);
};

/// Pairs in WebDataset-style shards: tar archives of KEY.latent.npy and KEY.latent_lowres.npy (C, H, W), float16 or
/// float32, not scaled, and whatever else belongs to KEY. This is the layout that `fmboost encode` writes and that the
/// published trainer reads. Archives are mapped into memory; headers are read once, when the dataset is opened.
class ShardDataset final : public PairDataset {
 public:
  /// `path`: a folder, whose .tar files are taken in order of their names, or one archive. Throws Error naming archive
  /// and member: nothing there, a truncated or compressed archive, another layout, a pair without one of its two
  /// latents, arrays that cannot be read, sizes that do not fit each other, another autoencoder. Shards that say
  /// nothing about their autoencoder are accepted with a notice.
  explicit ShardDataset(const std::filesystem::path& path, ShardDatasetOptions options = {});
  ~ShardDataset() override;

  std::size_t size() const override { return samples_.size(); }
  /// The seed is without effect: all that is random has been drawn when the shards were made. Throws Error for numbers
  /// that are not finite.
  LatentPair get(std::size_t index, std::uint64_t seed) const override;
  /// The image KEY.jpg (or .png, .webp) where there is one.
  torch::Tensor original(std::size_t index, std::uint64_t seed) const override;

  /// The folder's dataset.json, where there is one.
  const std::optional<ShardSetInfo>& info() const { return info_; }
  std::size_t shard_count() const { return shards_.size(); }
  /// Latent latent pixels a latent pixel of the context stands for: 1 where it has been upscaled already, as pixel-space upsampling
  /// does. The same for all samples.
  std::int64_t context_factor() const { return context_factor_; }

 private:
  struct Shard;
  struct Range {
    std::size_t offset = 0;  ///< 0: there is no such member, since a header comes first
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
  void refuse_autoencoder(const std::filesystem::path& shard, const std::string& found) const;
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
