#include "fmboost/data/options.h"

#include <c10/util/StringUtil.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::int64_t kMaxCrops = 100000;
constexpr std::int64_t kMaxSide = 8192;
constexpr double kMaxBlur = 10;
constexpr double kMaxNoise = 100;

}  // namespace

void DegradationOptions::check() const {
  const auto check_range = [](const std::string& name, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      throw UsageError(c10::str("`", name, "` must be from ", low, " to ", high, ", got ", value));
    }
  };
  check_range("degrade", share, 0, 1);
  check_range("degrade_blur", max_blur, 0, kMaxBlur);
  check_range("degrade_noise", max_noise, 0, kMaxNoise);
  check_range("degrade_quality", min_quality, 1, 100);
  check_range("degrade_max_quality", max_quality, min_quality, 100);
}

void ImageCropOptions::check() const {
  degradation.check();
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
