#include "data/shards/shard_dataset.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"

#include "data/shards/shard_records.h"
#include "io/npy.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLatentSuffix = "latent.npy";
constexpr const char* kContextSuffix = "latent_lowres.npy";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kShownDigits = 10;
constexpr std::string_view kImageSuffixes[] = {"jpg", "png", "jpeg", "webp"};

std::vector<fs::path> archives_at(const fs::path& path) {
  if (!fs::exists(path)) {
    throw Error("there are no shards at '" + path.string() + "'");
  }
  if (!fs::is_directory(path)) {
    return {path};
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".tar" && entry.path().filename().string().front() != '.') {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    throw Error("the folder '" + path.string() + "' holds no shards (*.tar); make them with fmboost encode");
  }
  return files;
}

// "a/b/key.latent.npy" -> "a/b/key" and "latent.npy": WebDataset splits at the first dot of the file's name.
std::pair<std::string, std::string> split_name(std::string_view name) {
  while (name.starts_with("./")) {
    name.remove_prefix(2);
  }
  const std::size_t slash = name.rfind('/');
  const std::size_t dot = name.find('.', slash == std::string_view::npos ? 0 : slash + 1);
  if (dot == std::string_view::npos) {
    return {std::string(name), ""};
  }
  std::string suffix(name.substr(dot + 1));
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
  return {std::string(name.substr(0, dot)), suffix};
}

// The sum of finite numbers is finite unless it overflows, and costs only one pass.
bool all_finite(const torch::Tensor& x) {
  return std::isfinite(x.sum().item<float>()) || at::isfinite(x).all().item<bool>();
}

}  // namespace

struct ShardDataset::Shard {
  explicit Shard(const fs::path& path) : file(path), mapping(path) {}
  fs::path file;
  MappedFile mapping;
};

ShardDatasetOptions ShardDatasetOptions::for_autoencoder(const AutoencoderEntry& autoencoder) {
  return {.scale = autoencoder.scale,
          .shift = autoencoder.shift,
          .latent_channels = autoencoder.latent_channels,
          .autoencoder_hash = latent_space_hash(autoencoder)};
}

ShardDataset::ShardDataset(const fs::path& path, ShardDatasetOptions options)
    : options_(std::move(options)), folder_(fs::is_directory(path) ? path : path.parent_path()) {
  const auto files = archives_at(path);
  info_ = read_shard_set(folder_.empty() ? "." : folder_);
  for (const auto& file : files) {
    add_shard(file);
  }
  check_autoencoder();
}

ShardDataset::~ShardDataset() = default;

// One pass over the archive's names; the members of a sample need not be adjacent.
void ShardDataset::add_shard(const fs::path& file) {
  shards_.push_back(std::make_unique<Shard>(file));
  const auto members = index_tar(shards_.back()->mapping.bytes(), file.string());
  const std::size_t first = samples_.size();
  std::unordered_map<std::string, std::size_t> index_of;
  for (const auto& member : members) {
    const auto [key, suffix] = split_name(member.name);
    const auto [found, is_new] = index_of.emplace(key, samples_.size());
    if (is_new) {
      Sample& sample = samples_.emplace_back();
      sample.shard = shards_.size() - 1;
      sample.key = key;
    }
    add_member(samples_[found->second], member, suffix);
  }
  keep_pairs(first, members);
}

void ShardDataset::add_member(Sample& sample, const TarMember& member, const std::string& suffix) const {
  Range* place = nullptr;
  const auto* image = std::find(std::begin(kImageSuffixes), std::end(kImageSuffixes), suffix);
  if (suffix == kLatentSuffix) {
    place = &sample.latent;
  } else if (suffix == kContextSuffix) {
    place = &sample.context;
  } else if (suffix == "json") {
    place = &sample.json;
  } else if (image != std::end(kImageSuffixes) && sample.image.offset == 0) {
    place = &sample.image;
    sample.image_suffix = image->data();
  } else {
    return;
  }
  if (place->offset != 0) {
    throw Error("'" + shards_[sample.shard]->file.string() + "' holds '" + member.name + "' twice");
  }
  *place = {member.offset, member.size};
}

// Keeps the samples from `first` on that are pairs; the others are members that other tools have added.
void ShardDataset::keep_pairs(std::size_t first, const std::vector<TarMember>& members) {
  const auto begin = samples_.begin() + static_cast<std::ptrdiff_t>(first);
  for (auto sample = begin; sample != samples_.end(); ++sample) {
    const bool has_latent = sample->latent.offset != 0;
    if (has_latent != (sample->context.offset != 0)) {
      const std::string present = has_latent ? kLatentSuffix : kContextSuffix;
      const std::string missing = has_latent ? kContextSuffix : kLatentSuffix;
      throw Error("'" + name_of(*sample, present) + "' has no partner: '" + sample->key + "." + missing +
                  "' is missing");
    }
  }
  samples_.erase(std::remove_if(begin, samples_.end(), [](const Sample& sample) { return sample.latent.offset == 0; }),
                 samples_.end());
  if (samples_.size() == first) {
    std::string found;
    for (std::size_t i = 0; i < std::min<std::size_t>(members.size(), 3); ++i) {
      found += (i > 0 ? ", '" : "'") + members[i].name + "'";
    }
    throw Error("'" + shards_.back()->file.string() + "' holds no pairs of latents: KEY." + kLatentSuffix +
                " and KEY." + kContextSuffix + " are needed, and it holds " +
                (found.empty() ? "nothing" : found + (members.size() > 3 ? " and so on" : "")));
  }
  std::for_each(samples_.begin() + static_cast<std::ptrdiff_t>(first), samples_.end(),
                [this](const Sample& sample) { check_shapes(sample); });
}

// Checks the arrays' headers now, so that a wrong shape does not end a training after hours.
void ShardDataset::check_shapes(const Sample& sample) {
  const auto header = [&](const Range& range, const std::string& suffix) {
    NpyHeader read = parse_npy_header(bytes_of(sample, range), name_of(sample, suffix));
    const std::int64_t channels = options_.latent_channels;
    if (read.shape.size() != 3 || (channels > 0 && read.shape[0] != channels) ||
        c10::multiply_integers(read.shape) == 0) {
      throw Error("'" + name_of(sample, suffix) + "' has the shape " + c10::str(at::IntArrayRef(read.shape)) +
                  "; a latent must be [" + (channels > 0 ? std::to_string(channels) : "channels") + ", height, width]");
    }
    return read.shape;
  };
  const auto latent = header(sample.latent, kLatentSuffix);
  const auto context = header(sample.context, kContextSuffix);
  const std::int64_t factor = latent[1] / context[1];
  if (latent[0] != context[0] || factor < 1 || latent[1] != factor * context[1] || latent[2] != factor * context[2]) {
    throw Error("'" + name_of(sample, kContextSuffix) + "' has the shape " + c10::str(at::IntArrayRef(context)) +
                ", which does not fit its latent's " + c10::str(at::IntArrayRef(latent)) +
                ": its sides must be equal, or smaller by the same whole factor");
  }
  if (context_factor_ != 0 && context_factor_ != factor) {
    throw Error("'" + name_of(sample, kContextSuffix) + "' is smaller than its latent by a factor of " +
                std::to_string(factor) + "; the samples before it have the factor " + std::to_string(context_factor_));
  }
  context_factor_ = factor;
}

// fmboost writes the hash into each sample's json, so that a shard moved away from its dataset.json is recognized.
std::string ShardDataset::hash_in_sample(const Sample& sample) const {
  if (sample.json.offset == 0) {
    return {};
  }
  const auto bytes = bytes_of(sample, sample.json);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const auto json = nlohmann::json::parse(text, text + bytes.size(), nullptr, /*allow_exceptions=*/false);
  const bool known = json.is_object() && json.contains("autoencoder") && json["autoencoder"].is_string();
  const std::string hash = known ? json["autoencoder"].get<std::string>() : std::string();
  return hash.size() == kHashDigits ? hash : std::string();
}

// Checks the first sample of every archive, since shards may have been moved between folders.
void ShardDataset::check_autoencoder() const {
  bool silent = false;
  std::size_t shard = shards_.size();
  for (const auto& sample : samples_) {
    if (sample.shard == shard || options_.autoencoder_hash.empty()) {
      continue;
    }
    shard = sample.shard;
    std::string found = hash_in_sample(sample);
    if (found.empty() && info_) {
      found = info_->autoencoder_hash;
    }
    silent = silent || found.empty();
    if (!found.empty() && found != options_.autoencoder_hash) {
      report_other_autoencoder(shards_[shard]->file, found);
    }
  }
  if (silent) {
    log_info("the shards in '" + folder_.string() +
             "' do not name their autoencoder; they are assumed to be unscaled latents of this bundle's");
  }
}

void ShardDataset::report_other_autoencoder(const fs::path& shard, const std::string& found) const {
  std::string maker = found.substr(0, kShownDigits);
  if (info_ && info_->autoencoder_hash == found) {
    maker += ", of the bundle '" + info_->bundle_name + "'";
  }
  // append() avoids a false warning of GCC 12 about operator+ (PR 105651).
  std::string message = "'";
  message.append(shard.string()).append("' holds latents of another autoencoder (").append(maker);
  message.append(") than this bundle's (").append(options_.autoencoder_hash, 0, kShownDigits).append(")");
  if (!options_.accept_other_autoencoder) {
    throw Error(message + "; encode the images again with this bundle");
  }
  log_warning(message);
}

std::string ShardDataset::name_of(const Sample& sample, const std::string& suffix) const {
  return shards_[sample.shard]->file.string() + ": " + sample.key + "." + suffix;
}

std::span<const std::byte> ShardDataset::bytes_of(const Sample& sample, const Range& range) const {
  return shards_[sample.shard]->mapping.bytes().subspan(range.offset, range.size);
}

torch::Tensor ShardDataset::load(const Sample& sample, const Range& range, const std::string& suffix) const {
  const std::string name = name_of(sample, suffix);
  torch::Tensor latent = read_npy_float(bytes_of(sample, range), name);
  if (!all_finite(latent)) {
    throw Error("'" + name + "' holds numbers that are not finite (NaN or infinity)");
  }
  return latent.sub_(options_.shift).mul_(options_.scale);
}

LatentPair ShardDataset::get(std::size_t index, std::uint64_t /*seed*/) const {
  const Sample& sample = samples_.at(index);
  return {.key = sample.key,
          .latent = load(sample, sample.latent, kLatentSuffix),
          .context = load(sample, sample.context, kContextSuffix)};
}

torch::Tensor ShardDataset::original(std::size_t index, std::uint64_t /*seed*/) const {
  const Sample& sample = samples_.at(index);
  if (sample.image.offset == 0) {
    return {};
  }
  return decode_image(bytes_of(sample, sample.image), name_of(sample, sample.image_suffix)).pixels;
}

}  // namespace fmboost
