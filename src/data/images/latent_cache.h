#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "fmboost/data/options.h"

#include "data/images/pair_encoder.h"

namespace fmboost {

/// Encoded pairs by a key that covers everything they depend on. Thread-safe. A cache never makes a run fail: an
/// unreadable entry counts as missing, and if the folder cannot be written, a single warning is logged.
class LatentCache {
 public:
  explicit LatentCache(LatentCacheOptions options) : options_(std::move(options)) {}

  /// The stored pair, without a batch dimension; none if it is missing.
  std::optional<EncodedPairs> find(const std::string& key) const;
  /// Keeps a pair unless the memory limit is reached. Nothing is evicted, since an epoch uses every pair equally often.
  void store(const std::string& key, const EncodedPairs& pair);

 private:
  std::filesystem::path file_of(const std::string& key) const;

  LatentCacheOptions options_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, EncodedPairs> held_;
  std::int64_t held_bytes_ = 0;
  bool warned_ = false;
};

}  // namespace fmboost
