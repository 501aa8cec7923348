#include "data/image_crops.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

constexpr std::int64_t kMostCrops = 100000;
constexpr std::int64_t kLargestSide = 8192;

torch::Tensor opaque(const Image& image) {
  const torch::Tensor pixels = image.pixels.clamp(-1, 1);
  if (!image.alpha.defined()) {
    return pixels;
  }
  return pixels * image.alpha + (1 - image.alpha);  // white is 1
}

// (3, H, W) with a shorter side of `side`.
torch::Tensor fitted(const torch::Tensor& pixels, std::int64_t side) {
  const std::int64_t shorter = std::min(pixels.size(1), pixels.size(2));
  const auto scaled = [&](std::int64_t length) {
    return std::max(side, static_cast<std::int64_t>(std::llround(
                              static_cast<double>(length) * static_cast<double>(side) / static_cast<double>(shorter))));
  };
  return resize_bicubic(pixels.unsqueeze(0), scaled(pixels.size(1)), scaled(pixels.size(2)))[0].clamp(-1, 1);
}

torch::Tensor reduced(const torch::Tensor& pixels, std::int64_t side, Downsampling downsampling) {
  const torch::Tensor x = pixels.unsqueeze(0);
  switch (downsampling) {
    case Downsampling::area: {
      const std::int64_t factor = pixels.size(1) / side;
      return at::avg_pool2d(x, {factor, factor})[0];
    }
    case Downsampling::bilinear:
      return at::_upsample_bilinear2d_aa(x, {side, side}, /*align_corners=*/false)[0];
    case Downsampling::bicubic:
      return resize_bicubic(x, side, side)[0].clamp(-1, 1);
  }
  throw UsageError("unknown downsampling");
}

}  // namespace

CropPlace parse_crop_place(const std::string& name) {
  if (name == "random") {
    return CropPlace::random;
  }
  if (name == "center" || name == "center") {
    return CropPlace::center;
  }
  throw UsageError("crops are taken at random or in the center, not '" + name + "'");
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
  const auto require = [](bool fits, const std::string& message) {
    if (!fits) {
      throw UsageError(message);
    }
  };
  require(low >= 1 && high <= kLargestSide && high >= 2 * low && high % low == 0,
          "the high size must be a whole multiple of the low one, at least twice it and at most " +
              std::to_string(kLargestSide) + ", not " + std::to_string(low) + " and " + std::to_string(high));
  require(crops >= 1 && crops <= kMostCrops,
          "crops an image must be from 1 to " + std::to_string(kMostCrops) + ", not " + std::to_string(crops));
  require(place == CropPlace::random || crops == 1,
          "there is only one crop in an image's center; take random ones to have several");
}

CropSource::CropSource(const Image& image, std::string content_hash, const ImageCropOptions& options,
                       const std::string& name)
    : content_hash_(std::move(content_hash)), options_(options) {
  const std::int64_t shorter = std::min(image.height(), image.width());
  if (shorter < options.high) {
    throw Error("'" + name + "' is too small: it is " + std::to_string(image.width()) + "x" +
                std::to_string(image.height()) + " and " + std::to_string(options.high) + "x" +
                std::to_string(options.high) + " are needed");
  }
  pixels_ = opaque(image);
  if (options.fit && shorter > options.high) {
    pixels_ = fitted(pixels_, options.high);
  }
}

ImageCrop CropSource::cut(std::int64_t index) const {
  const std::uint64_t seed = derive_seed(derive_seed(options_.seed, content_hash_), "crop-" + std::to_string(index));
  const std::int64_t side = options_.high;
  const auto place = [&](std::int64_t length, const char* axis) {
    const std::int64_t room = length - side;
    return options_.place == CropPlace::center
               ? room / 2
               : static_cast<std::int64_t>(derive_seed(seed, axis) % static_cast<std::uint64_t>(room + 1));
  };
  ImageCrop crop;
  crop.left = place(width(), "left");
  crop.top = place(height(), "top");
  crop.flipped = options_.flip && derive_seed(seed, "flip") % 2 == 1;
  const torch::Tensor window = pixels_.slice(1, crop.top, crop.top + side).slice(2, crop.left, crop.left + side);
  crop.high = (crop.flipped ? window.flip(2) : window).contiguous();
  crop.low = reduced(crop.high, options_.low, options_.downsampling).contiguous();
  return crop;
}

}  // namespace fmboost
