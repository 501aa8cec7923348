#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/data/options.h"

namespace fmboost {

/// What a folder of shards holds and how it was made: its dataset.json. Machines that fill one folder together write
/// the same file.
struct ShardSetInfo {
  std::string bundle_name;
  std::string bundle_hash;       ///< SHA-256 of its bundle.json
  std::string autoencoder_hash;  ///< SHA-256 of the autoencoder's encoder file
  std::int64_t factor = 8;       ///< pixels per latent pixel
  std::int64_t latent_channels = 4;
  double scale = 1.0;  ///< scaled latent = (stored - shift) * scale
  double shift = 0.0;
  std::string upsampling = "pixel";  ///< pixel: latent_lowres has the size of latent; otherwise it is smaller
  std::int64_t low = 0;              ///< side of the small squares, in pixels
  std::int64_t high = 0;             ///< side of the large squares
  std::string downsampling;          ///< how the small squares were made from the large ones
  std::string crop;                  ///< "random" or "center"
  std::int64_t crops = 1;            ///< per image
  bool flip = false;                 ///< each square was mirrored with a probability of one half
  bool fit = false;                  ///< images were shrunk to the square's size first
  std::uint64_t seed = 0;
  DegradationOptions degradation = {};  ///< of the small squares
  std::string stored_dtype;             ///< "float16" or "float32"
  std::string dtype;                    ///< in which the autoencoder computed
  int jpeg_quality = 0;                 ///< 0: the images are not kept
  std::int64_t images = 0;              ///< in the folder of images, including unusable ones
  std::string images_hash;              ///< of their names and sizes
  std::string targets_hash;             ///< the same of the folder of targets; empty without one
  std::int64_t images_per_shard = 0;
  std::int64_t shards = 0;
};

/// An image that could not be used.
struct FailedImage {
  std::string file;  ///< relative to the folder of images
  std::string reason;
};

/// The result of one shard: shard-000000.json beside shard-000000.tar, written after it. A shard with a record is
/// complete.
struct ShardRecord {
  std::string file;  ///< name of the archive; it does not exist if `samples` is 0
  std::int64_t samples = 0;
  std::int64_t bytes = 0;  ///< of the archive
  std::vector<FailedImage> failures;
};

/// What is found in one archive or a folder of archives.
struct ShardSummary {
  std::size_t shards = 0;
  std::size_t samples = 0;
  std::vector<std::int64_t> latent_shape;   ///< of the first sample, (C, H, W)
  std::vector<std::int64_t> context_shape;  ///< of its latent_lowres
  bool keeps_images = false;                ///< the first sample has its image beside it
  std::optional<ShardSetInfo> info;         ///< the folder's dataset.json, if it exists
};

/// Opens shards and checks the headers of all samples; with `read_all` also all numbers. Throws Error naming archive
/// and member for what cannot be used in training, and Interrupted between samples.
ShardSummary inspect_shards(const std::filesystem::path& path, bool read_all);

}  // namespace fmboost
