#include "data/images/image_crops.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/image/resize.h"

#include "data/images/degradation.h"

namespace fmboost {
namespace {

torch::Tensor blended_over_white(const Image& image) {
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

}  // namespace

CropSource::CropSource(const Image& image, std::string content_hash, const ImageCropOptions& options,
                       const std::string& name)
    : content_hash_(std::move(content_hash)), options_(options) {
  const std::int64_t shorter = std::min(image.height(), image.width());
  if (shorter < options.high) {
    throw Error("'" + name + "' is too small: it is " + std::to_string(image.width()) + "x" +
                std::to_string(image.height()) + " and must be at least " + std::to_string(options.high) + "x" +
                std::to_string(options.high));
  }
  pixels_ = blended_over_white(image);
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
  const torch::Tensor square = pixels_.slice(1, crop.top, crop.top + side).slice(2, crop.left, crop.left + side);
  crop.high = (crop.flipped ? square.flip(2) : square).contiguous();
  crop.low = degraded_square(crop.high, options_.low, options_.downsampling, options_.degradation, seed).contiguous();
  return crop;
}

}  // namespace fmboost
