#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "data/pair_encoder.h"

namespace fmboost {

struct LatentCacheOptions {
  /// Where encoded pairs are kept from run to run; empty: in memory, for this run alone.
  std::filesystem::path folder;
  std::int64_t memory_limit = std::int64_t{4} << 30;  ///< bytes, for the cache in memory; 0: no cache there
};

/// Encoded pairs by a key that names everything they depend on. Safe to call from several threads. A cache never makes
/// a run fail: what cannot be read counts as missing, and when a folder cannot be written to, it warns once and goes
/// on.
class LatentCache {
 public:
  explicit LatentCache(LatentCacheOptions options) : options_(std::move(options)) {}

  /// What was stored, without a batch dimension; none where it is missing.
  std::optional<EncodedPairs> find(const std::string& key) const;
  /// Keeps a pair, unless memory's limit is reached: what is in there stays, since epochs come back to everything
  /// alike.
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
