#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/image/image_files.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "data/images/crop_reader.h"
#include "data/ordered_prefetch.h"
#include "data/shards/encode_run.h"
#include "data/shards/shard_builder.h"
#include "data/shards/shard_records.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// The maximum number of squares of an image in memory; an image with more of them is read several times.
constexpr std::int64_t kCropsAtOnce = 8;

// "00000012_0", without dots because WebDataset's keys end at the first dot.
std::string sample_key(std::int64_t image, std::int64_t crop) {
  char key[48];
  std::snprintf(key, sizeof key, "%08lld_%lld", static_cast<long long>(image), static_cast<long long>(crop));
  return key;
}

std::string hash_of_listing(const fs::path& folder, const std::vector<fs::path>& files) {
  std::string listing;
  for (const auto& file : files) {
    std::error_code error;
    const auto size = fs::file_size(folder / file, error);
    listing += file.generic_string() + '\0' + (error ? "?" : std::to_string(size)) + '\n';
  }
  return sha256(as_bytes(listing));
}

class EncodeRun {
 public:
  EncodeRun(const fs::path& images, const fs::path& output, const PairEncoder& encoder,
            const EncodeImagesOptions& options, const EncodeObserver& observer)
      : folder_(images), output_(output), encoder_(encoder), options_(options), observer_(observer) {
    files_ = image_files_below(folder_);
    if (files_.empty()) {
      throw UsageError("there are no images in '" + folder_.string() + "' or the folders in it");
    }
    if (!options.targets.empty()) {
      find_targets();
    }
    per_shard_ = std::max<std::int64_t>(1, options.samples_per_shard / options.crop.crops);
  }

  void prepare_output(const BundleIdentity& bundle) const {
    std::error_code error;
    fs::create_directories(output_, error);
    if (error) {
      throw Error("cannot create the folder '" + output_.string() + "': " + error.message());
    }
    write_or_match_shard_set(output_, describe(bundle));
  }

  EncodeProgress run() {
    const auto pending = plan();
    report_progress();
    OrderedPrefetch<ReadCrops> reader(
        [this](std::uint64_t number) {
          const CropTask& task = tasks_[number];
          return read_crops(folder_ / file_of(task), target_of(task), task, options_.crop,
                            options_.keep_images ? options_.jpeg_quality : 0);
        },
        0, tasks_.size(), options_.num_workers, options_.num_workers + 2);
    for (const std::int64_t shard : pending) {
      make_shard(shard, reader);
    }
    return progress_;
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(files_.size()); }
  std::int64_t shard_count() const { return (count() + per_shard_ - 1) / per_shard_; }
  std::int64_t first_of(std::int64_t shard) const { return std::min(shard * per_shard_, count()); }
  const fs::path& file_of(const CropTask& task) const { return files_[static_cast<std::size_t>(task.image)]; }

  // Throws UsageError naming the first image without a target.
  void find_targets() {
    std::map<fs::path, fs::path> found;  // by the path without its suffix
    target_listing_ = image_files_below(options_.targets);
    for (const auto& file : target_listing_) {
      found[fs::path(file).replace_extension()] = options_.targets / file;
    }
    for (const auto& file : files_) {
      const auto target = found.find(fs::path(file).replace_extension());
      if (target == found.end()) {
        throw UsageError("'" + file.string() + "' has no target in '" + options_.targets.string() + "'");
      }
      targets_.push_back(target->second);
    }
  }

  fs::path target_of(const CropTask& task) const {
    return targets_.empty() ? fs::path() : targets_[static_cast<std::size_t>(task.image)];
  }

  ShardSetInfo describe(const BundleIdentity& bundle) const {
    const AutoencoderEntry& autoencoder = encoder_.autoencoder();
    const ImageCropOptions& crop = options_.crop;
    return {.bundle_name = bundle.name,
            .bundle_hash = bundle.hash,
            .autoencoder_hash = latent_space_hash(autoencoder),
            .factor = autoencoder.factor,
            .latent_channels = autoencoder.latent_channels,
            .scale = autoencoder.scale,
            .shift = autoencoder.shift,
            .upsampling = enum_name(encoder_.upsampling()),
            .low = crop.low,
            .high = crop.high,
            .downsampling = enum_name(crop.downsampling),
            .crop = enum_name(crop.place),
            .crops = crop.crops,
            .flip = crop.flip,
            .fit = crop.fit,
            .seed = crop.seed,
            .degradation = crop.degradation,
            .stored_dtype = dtype_name(options_.stored),
            .dtype = dtype_name(encoder_.placement().dtype),
            .jpeg_quality = options_.keep_images ? options_.jpeg_quality : 0,
            .images = count(),
            .images_hash = hash_of_listing(folder_, files_),
            .targets_hash = targets_.empty() ? "" : hash_of_listing(options_.targets, target_listing_),
            .images_per_shard = per_shard_,
            .shards = shard_count()};
  }

  // Returns this slice's incomplete shards and collects their tasks.
  std::vector<std::int64_t> plan() {
    std::vector<std::int64_t> pending;
    for (auto shard = static_cast<std::int64_t>(options_.slice); shard < shard_count();
         shard += static_cast<std::int64_t>(options_.slices)) {
      ++progress_.shards;
      progress_.images += first_of(shard + 1) - first_of(shard);
      if (const auto record = read_shard_record(output_, shard_name(shard))) {
        progress_.images_done += first_of(shard + 1) - first_of(shard);
        count_shard(*record, /*kept=*/true);
        continue;
      }
      pending.push_back(shard);
      for (std::int64_t image = first_of(shard); image < first_of(shard + 1); ++image) {
        plan_image(image);
      }
    }
    return pending;
  }

  void plan_image(std::int64_t image) {
    const std::int64_t crops = options_.crop.crops;
    for (std::int64_t first = 0; first < crops; first += kCropsAtOnce) {
      const std::int64_t count = std::min(kCropsAtOnce, crops - first);
      tasks_.push_back({.image = image, .first_crop = first, .crops = count, .last_of_image = first + count == crops});
    }
  }

  void make_shard(std::int64_t shard, OrderedPrefetch<ReadCrops>& reader) {
    ShardBuilder builder(output_, shard_name(shard), encoder_, options_);
    for (std::int64_t image = first_of(shard); image < first_of(shard + 1);) {
      check_interrupt();
      ReadCrops read = reader.next();
      if (!read.error.empty() && read.task.first_crop == 0) {
        builder.add_failure({file_of(read.task).generic_string(), read.error});
        report_failure({file_of(read.task).generic_string(), read.error});
      }
      const bool last = read.task.last_of_image;
      add_samples(std::move(read), builder);
      if (last) {
        ++image;
        ++progress_.images_done;
        ++progress_.images_now;
        report_progress();
      }
    }
    count_shard(builder.finish(), /*kept=*/false);
    report_progress();
  }

  void add_samples(ReadCrops read, ShardBuilder& builder) const {
    const std::string source = file_of(read.task).generic_string();
    for (std::size_t i = 0; i < read.crops.size(); ++i) {
      ImageCrop& crop = read.crops[i];
      nlohmann::json json = {{"source", source},         {"sha256", read.sha256},
                             {"width", read.width},      {"height", read.height},
                             {"left", crop.left},        {"top", crop.top},
                             {"flipped", crop.flipped},  {"high", options_.crop.high},
                             {"low", options_.crop.low}, {"autoencoder", latent_space_hash(encoder_.autoencoder())}};
      if (!read.target_sha256.empty()) {
        json["target_sha256"] = read.target_sha256;
      }
      builder.add(ShardSample{.key = sample_key(read.task.image, read.task.first_crop + static_cast<std::int64_t>(i)),
                              .source = source,
                              .crop = std::move(crop),
                              .jpeg = read.jpegs.empty() ? std::vector<std::byte>() : std::move(read.jpegs[i]),
                              .json = std::move(json)});
    }
  }

  void count_shard(const ShardRecord& record, bool kept) {
    progress_.samples += record.samples;
    ++progress_.shards_done;
    if (kept) {
      for (const auto& failure : record.failures) {
        report_failure(failure);
      }
    }
    if (observer_.shard_done) {
      observer_.shard_done(record, kept);
    }
  }

  void report_failure(const FailedImage& failure) {
    ++progress_.failed;
    if (observer_.failed) {
      observer_.failed(failure);
    }
  }

  void report_progress() const {
    if (observer_.progress) {
      observer_.progress(progress_);
    }
  }

  const fs::path& folder_;
  const fs::path& output_;
  const PairEncoder& encoder_;
  const EncodeImagesOptions& options_;
  const EncodeObserver& observer_;
  std::vector<fs::path> files_;
  std::vector<fs::path> target_listing_;  ///< of the folder of targets
  std::vector<fs::path> targets_;         ///< of the images, in their order; empty without a folder of targets
  std::int64_t per_shard_ = 1;
  std::vector<CropTask> tasks_;
  EncodeProgress progress_;
};

}  // namespace

int default_num_workers() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
}

void EncodeImagesOptions::check() const {
  crop.check();
  const auto require = [](bool fits, const std::string& message) {
    if (!fits) {
      throw UsageError(message);
    }
  };
  require(stored == torch::kFloat16 || stored == torch::kFloat32,
          "`store` must be float16 or float32, got " + dtype_name(stored));
  require(jpeg_quality >= 1 && jpeg_quality <= 100,
          "`quality` must be from 1 to 100, got " + std::to_string(jpeg_quality));
  require(samples_per_shard >= 1 && samples_per_shard <= 1'000'000,
          "`samples_per_shard` must be from 1 to 1000000, got " + std::to_string(samples_per_shard));
  require(batch_size >= 1 && batch_size <= 1024,
          "`batch_size` must be from 1 to 1024, got " + std::to_string(batch_size));
  require(num_workers >= 0 && num_workers <= 256,
          "`num_workers` must be from 0 to 256, got " + std::to_string(num_workers));
  require(slices >= 1 && slice < slices, "slice " + std::to_string(slice) + " does not exist; there are " +
                                             std::to_string(slices) + ", counted from 0");
}

EncodeProgress encode_images(const fs::path& images, const fs::path& output, const PairEncoder& encoder,
                             const BundleIdentity& bundle, const EncodeImagesOptions& options,
                             const EncodeObserver& observer) {
  options.check();
  encoder.check_sizes(options.crop);
  EncodeRun run(images, output, encoder, options, observer);
  encoder.check_memory(options.crop.high, options.batch_size);
  run.prepare_output(bundle);
  return run.run();
}

EncodeProgress encode_images(const fs::path& images, const fs::path& output, const Bundle& bundle,
                             const Placement& placement, const EncodeImagesOptions& options,
                             const EncodeObserver& observer) {
  const PairEncoder encoder(bundle, placement, options.upsampling);
  return encode_images(images, output, encoder, {bundle.manifest().name, bundle.hash()}, options, observer);
}

}  // namespace fmboost
