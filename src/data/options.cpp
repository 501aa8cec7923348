#include "fmboost/data/options.h"

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::int64_t kMaxCrops = 100000;
constexpr std::int64_t kMaxSide = 8192;

}  // namespace

CropPlace parse_crop_place(const std::string& name) {
  if (name == "random") {
    return CropPlace::random;
  }
  if (name == "center") {
    return CropPlace::center;
  }
  throw UsageError("unknown crop '" + name + "': use random or center");
}

std::string crop_place_name(CropPlace place) {
  return place == CropPlace::random ? "random" : "center";
}

Downsampling parse_downsampling(const std::string& name) {
  for (const auto downsampling : {Downsampling::area, Downsampling::bilinear, Downsampling::bicubic}) {
    if (name == downsampling_name(downsampling)) {
      return downsampling;
    }
  }
  throw UsageError("unknown downsampling '" + name + "': use area, bilinear or bicubic");
}

std::string downsampling_name(Downsampling downsampling) {
  return downsampling == Downsampling::area ? "area" : downsampling == Downsampling::bilinear ? "bilinear" : "bicubic";
}

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
