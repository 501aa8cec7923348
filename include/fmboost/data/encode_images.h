#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <torch/types.h>

#include "fmboost/core/placement.h"
#include "fmboost/data/options.h"
#include "fmboost/data/shard_info.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/model/bundle.h"

namespace fmboost {

/// One loader thread per core, 8 at most.
int default_num_workers();

struct EncodeImagesOptions {
  ImageCropOptions crop;
  /// Folder with a target for every image, under the same name with any image suffix and of the same size: large
  /// squares are cut from it. Empty: from the images themselves.
  std::filesystem::path targets = {};
  /// pixel: the small square is upscaled (bilinear) and encoded. Upsamplings in latent space: it is encoded as it is,
  /// and training upscales its latent.
  Upsampling upsampling = Upsampling::pixel;
  torch::ScalarType stored = torch::kFloat16;  ///< float16 or float32
  bool keep_images = false;                    ///< stores the large square beside its latents, as KEY.jpg
  int jpeg_quality = 95;                       ///< 1 .. 100
  std::int64_t samples_per_shard = 512;        ///< approximate, because the squares of an image stay together
  std::int64_t batch_size = 4;                 ///< squares per call of the autoencoder
  int num_workers = default_num_workers();     ///< threads that read, decode and crop
  std::size_t slice = 0;                       ///< this run makes every `slices`-th shard, starting with this one
  std::size_t slices = 1;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// The progress of a run. Shards that existed before it count as done.
struct EncodeProgress {
  std::int64_t images_done = 0;
  std::int64_t images = 0;      ///< in this run's slice
  std::int64_t images_now = 0;  ///< done by this run
  std::int64_t samples = 0;
  std::int64_t failed = 0;  ///< images
  std::int64_t shards_done = 0;
  std::int64_t shards = 0;
};

/// Called on the caller's thread.
struct EncodeObserver {
  std::function<void(const EncodeProgress&)> progress;
  std::function<void(const FailedImage&)> failed;
  /// `kept`: the shard existed before this run.
  std::function<void(const ShardRecord&, bool kept)> shard_done;
};

/// Fills `output` with shards of latents of the images below `images` (docs/training.md describes the layout), using
/// the bundle's autoencoder. A shard holds a fixed range of the sorted images and gets its name only when it is
/// complete, so a run that was interrupted continues where it stopped and produces the same bytes. Images that cannot
/// be read or are too small are reported and left out. Throws UsageError if there are no images, Error if the disk or a
/// folder with other settings does not allow it, Interrupted between images.
EncodeProgress encode_images(const std::filesystem::path& images, const std::filesystem::path& output,
                             const Bundle& bundle, const Placement& placement, const EncodeImagesOptions& options,
                             const EncodeObserver& observer = {});

}  // namespace fmboost
