#include "data/images/image_dataset.h"

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/image_files.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "data/shards/shard_records.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

std::string describe(const PairEncoder& encoder, const ImageCropOptions& crop) {
  const AutoencoderEntry& autoencoder = encoder.autoencoder();
  return c10::str(latent_space_hash(autoencoder), " ", autoencoder.scale, " ", autoencoder.shift, " ",
                  dtype_name(encoder.placement().dtype), " ", enum_name(encoder.upsampling()), " ", crop.low, " ",
                  crop.high, " ", enum_name(crop.place), " ", crop.flip, " ", crop.fit, " ",
                  enum_name(crop.downsampling), " ", crop.seed, " ", crop.degradation.share, " ",
                  crop.degradation.max_blur, " ", crop.degradation.max_noise, " ", crop.degradation.min_quality, " ",
                  crop.degradation.max_quality);
}

// Thrown for an image that cannot be used, as opposed to an encoder that fails.
struct BadImage {
  std::string reason;
};

CropSource open_image(const std::vector<std::byte>& bytes, const std::string& hash, const ImageCropOptions& options,
                      const fs::path& file) {
  try {
    return {decode_image(bytes, file.string()), hash, options, file.string()};
  } catch (const Error& error) {
    throw BadImage{error.what()};
  }
}

std::vector<std::byte> read_image(const fs::path& file) {
  try {
    return read_file(file);
  } catch (const Error& error) {
    throw BadImage{error.what()};
  }
}

}  // namespace

ImageDataset::ImageDataset(fs::path folder, std::shared_ptr<const PairEncoder> encoder, ImageDatasetOptions options)
    : folder_(std::move(folder)), encoder_(std::move(encoder)), options_(std::move(options)), cache_(options_.cache) {
  options_.check();
  encoder_->check_sizes(options_.crop);
  encoder_->check_memory(options_.crop.high, 1);
  files_ = image_files_below(folder_);
  if (files_.empty()) {
    throw UsageError("there are no images in '" + folder_.string() + "' or the folders in it");
  }
  hashes_.resize(files_.size());
  settings_ = describe(*encoder_, options_.crop);
}

std::string ImageDataset::cache_key(const std::string& content_hash, std::int64_t crop) const {
  return sha256(as_bytes(content_hash + " " + std::to_string(crop) + " " + settings_));
}

// An image that was read earlier in this run is found in the cache without reading it again.
std::optional<EncodedPairs> ImageDataset::cached(std::size_t index, std::int64_t crop) const {
  std::string hash;
  {
    const std::lock_guard lock(mutex_);
    hash = hashes_[index];
  }
  return hash.empty() ? std::nullopt : cache_.find(cache_key(hash, crop));
}

LatentPair ImageDataset::pair_of(std::size_t index, std::int64_t crop) const {
  const std::string name = files_[index].generic_string() + "#" + std::to_string(crop);
  if (const auto found = cached(index, crop)) {
    return {name, found->latent, found->context};
  }
  const fs::path file = folder_ / files_[index];
  const auto bytes = read_image(file);
  const std::string hash = sha256(bytes);
  {
    const std::lock_guard lock(mutex_);
    hashes_[index] = hash;
  }
  if (const auto found = cached(index, crop)) {
    return {name, found->latent, found->context};
  }
  const ImageCrop cut = open_image(bytes, hash, options_.crop, file).cut(crop);
  const EncodedPairs encoded = encoder_->encode(cut.high.unsqueeze(0), cut.low.unsqueeze(0));
  const EncodedPairs pair{encoded.latent[0].contiguous(), encoded.context[0].contiguous()};
  cache_.store(cache_key(hash, crop), pair);
  return {name, pair.latent, pair.context};
}

// Calls `use` with the image, or with the first usable one after it, which is the same for all callers.
template <typename Use>
auto ImageDataset::with_image(std::size_t index, const Use& use) const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::size_t candidate = (index + i) % files_.size();
    try {
      return use(candidate);
    } catch (const BadImage& bad) {
      const std::lock_guard lock(mutex_);
      if (bad_.insert(candidate).second) {
        log_warning(bad.reason + "; another image replaces it");
      }
    }
  }
  throw Error("none of the " + std::to_string(files_.size()) + " images in '" + folder_.string() + "' can be used");
}

LatentPair ImageDataset::get(std::size_t index, std::uint64_t seed) const {
  const auto crop = static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(options_.crop.crops));
  return with_image(index, [&](std::size_t usable) { return pair_of(usable, crop); });
}

torch::Tensor ImageDataset::original(std::size_t index, std::uint64_t seed) const {
  const auto crop = static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(options_.crop.crops));
  return with_image(index, [&](std::size_t usable) {
    const fs::path file = folder_ / files_[usable];
    const auto bytes = read_image(file);
    return open_image(bytes, sha256(bytes), options_.crop, file).cut(crop).high;
  });
}

}  // namespace fmboost
