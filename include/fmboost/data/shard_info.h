#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmboost/model/manifest.h"

namespace fmboost {

/// Names the latents that an autoencoder makes: the SHA-256 of its encoder's file. Decoder, scale and shift do not
/// count, since what is stored are latents as the encoder gives them.
std::string latent_space_hash(const AutoencoderEntry& autoencoder);

/// What a folder of shards holds and how it was made: its dataset.json. Two machines that fill one folder write the
/// same file.
struct ShardSetInfo {
  std::string bundle_name;
  std::string bundle_hash;       ///< SHA-256 of its bundle.json
  std::string autoencoder_hash;  ///< latent_space_hash
  std::int64_t factor = 8;       ///< pixels a latent pixel
  std::int64_t latent_channels = 4;
  double scale = 1.0;  ///< scaled latent = (stored - shift) * scale
  double shift = 0.0;
  std::string upsampling = "pixel";  ///< pixel: latent_lowres has the size of latent; else that of the small image's
  std::int64_t low = 0;            ///< pixels a side
  std::int64_t high = 0;
  std::string downsampling;   ///< how the small image was made of the large one
  std::string crop;        ///< "random" or "center"
  std::int64_t crops = 1;  ///< an image
  bool flip = false;       ///< each crop was mirrored or not, by chance
  bool fit = false;        ///< images were shrunk to the crop's size first
  std::uint64_t seed = 0;
  std::string stored_dtype;   ///< "float16" or "float32"
  std::string dtype;          ///< that the autoencoder computed in
  int jpeg_quality = 0;       ///< 0: no images are kept
  std::int64_t images = 0;  ///< in the folder of images, bad ones counted
  std::string images_hash;  ///< of their names and sizes
  std::int64_t images_per_shard = 0;
  std::int64_t shards = 0;
};

/// Reads the dataset.json of a folder; none where there is no such file. Throws Error for a damaged or newer one.
std::optional<ShardSetInfo> read_shard_set(const std::filesystem::path& folder);

/// Writes it, or, where there is one, checks that it says the same. Throws Error naming the settings that differ.
void write_or_match_shard_set(const std::filesystem::path& folder, const ShardSetInfo& info);

/// An image that could not be used.
struct FailedImage {
  std::string file;  ///< relative to the folder of images
  std::string reason;
};

/// What became of one shard: shard-000000.json beside shard-000000.tar, written after it. With it the shard is done.
struct ShardRecord {
  std::string file;  ///< name of the archive; there is none when `samples` is 0
  std::int64_t samples = 0;
  std::int64_t bytes = 0;  ///< of the archive
  std::vector<FailedImage> failures;
};

/// "shard-000012.tar"
std::string shard_name(std::int64_t number);

/// The record of a shard, none where it is not done: no record, or an archive that is missing or of another size.
std::optional<ShardRecord> read_shard_record(const std::filesystem::path& folder, const std::string& shard);
void write_shard_record(const std::filesystem::path& folder, const ShardRecord& record);

}  // namespace fmboost
