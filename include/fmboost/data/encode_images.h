#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "fmboost/data/shard_info.h"

#include "data/image_crops.h"
#include "data/pair_encoder.h"

namespace fmboost {

/// One thread a core, 8 at most.
int default_workers();

struct EncodeImagesOptions {
  ImageCropOptions crop;
  torch::ScalarType stored = torch::kFloat16;  ///< float16 or float32
  bool keep_images = false;                    ///< KEY.jpg, the large square, beside its latents
  int jpeg_quality = 95;                       ///< 1 .. 100
  std::int64_t samples_per_shard = 512;        ///< about: an image's squares stay together
  std::int64_t batch_size = 4;                 ///< squares that go through the autoencoder at once
  int workers = default_workers();             ///< threads that read, decode and cut
  std::size_t machine = 0;                     ///< takes every `machines`-th shard, from this one on
  std::size_t machines = 1;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// How far a run is. Shards that were there already count as done.
struct EncodeProgress {
  std::int64_t images_done = 0;
  std::int64_t images = 0;      ///< of this machine
  std::int64_t images_now = 0;  ///< done in this run
  std::int64_t samples = 0;
  std::int64_t failed = 0;  ///< images
  std::int64_t shards_done = 0;
  std::int64_t shards = 0;
};

/// What a run tells of itself, on the caller's thread.
struct EncodeObserver {
  std::function<void(const EncodeProgress&)> progress;
  std::function<void(const FailedImage&)> failed;
  /// `kept`: it was there before.
  std::function<void(const ShardRecord&, bool kept)> shard_done;
};

/// The model's name and the SHA-256 of its bundle.json.
struct BundleIdentity {
  std::string name;
  std::string hash;
};

/// Fills `output` with shards of the images below `images` (docs/training.md has the layout). A shard holds a fixed
/// range of the sorted images and appears under its name only when it is complete, so a run that ended early goes on
/// where it stopped and gives the same bytes as one that did not. Images that cannot be read or are too small are
/// reported and left out. Throws UsageError when there are no images, Error for what a disk or a folder of other
/// settings does not allow, Interrupted between images.
EncodeProgress encode_images(const std::filesystem::path& images, const std::filesystem::path& output,
                               const PairEncoder& encoder, const BundleIdentity& bundle,
                               const EncodeImagesOptions& options, const EncodeObserver& observer = {});

}  // namespace fmboost
