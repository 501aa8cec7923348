#include "data/images/latent_cache.h"

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/safetensors.h"

namespace fmboost {

namespace fs = std::filesystem;

// Two levels keep the number of files per folder small.
fs::path LatentCache::file_of(const std::string& key) const {
  return options_.folder / key.substr(0, 2) / (key + ".safetensors");
}

std::optional<EncodedPairs> LatentCache::find(const std::string& key) const {
  if (options_.folder.empty()) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(key);
    return found == held_.end() ? std::nullopt : std::optional(found->second);
  }
  const fs::path file = file_of(key);
  if (!fs::exists(file)) {
    return std::nullopt;
  }
  try {
    const SafetensorsFile stored(file);
    return EncodedPairs{stored.tensor("latent").clone(), stored.tensor("context").clone()};
  } catch (const Error& error) {
    log_warning(std::string("a cached latent is unreadable and is encoded again: ") + error.what());
    return std::nullopt;
  }
}

void LatentCache::store(const std::string& key, const EncodedPairs& pair) {
  if (options_.folder.empty()) {
    const auto bytes = static_cast<std::int64_t>(pair.latent.nbytes() + pair.context.nbytes());
    const std::lock_guard lock(mutex_);
    if (held_bytes_ + bytes <= options_.memory_limit && held_.emplace(key, pair).second) {
      held_bytes_ += bytes;
    }
    return;
  }
  try {
    const fs::path file = file_of(key);
    fs::create_directories(file.parent_path());
    write_safetensors(file, {{"latent", pair.latent}, {"context", pair.context}});
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    if (!warned_) {
      log_warning(std::string("latents are not cached: ") + error.what());
    }
    warned_ = true;
  }
}

}  // namespace fmboost
