#include "fmboost/data/options.h"

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::int64_t kMaxCrops = 100000;
constexpr std::int64_t kMaxSide = 8192;

}  // namespace

void ImageCropOptions::check() const {
  if (low < 1 || high > kMaxSide || high < 2 * low || high % low != 0) {
    throw UsageError("`high` must be a multiple of `low`, at least twice as large and at most " +
                     std::to_string(kMaxSide) + ", got " + std::to_string(low) + " and " + std::to_string(high));
  }
  if (crops < 1 || crops > kMaxCrops) {
    throw UsageError("`crops` must be from 1 to " + std::to_string(kMaxCrops) + ", got " + std::to_string(crops));
  }
  if (place == CropPlace::center && crops != 1) {
    throw UsageError("an image has only one center crop; use `crop` random to take several");
  }
}

void ImageDatasetOptions::check() const {
  crop.check();
  if (cache.memory_limit < 0) {
    throw UsageError("`cache_memory` must be at least 0");
  }
}

}  // namespace fmboost
