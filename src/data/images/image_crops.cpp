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

torch::Tensor prepared(const Image& image, const ImageCropOptions& options) {
  const torch::Tensor pixels = blended_over_white(image);
  return options.fit && std::min(image.height(), image.width()) > options.high ? fitted(pixels, options.high) : pixels;
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
  pixels_ = prepared(image, options);
}

void CropSource::set_target(const Image& target, const std::string& name) {
  target_ = prepared(target, options_);
  if (target_.sizes() != pixels_.sizes()) {
    throw Error("the target '" + name + "' is " + std::to_string(target.width()) + "x" +
                std::to_string(target.height()) + " and must have the size of its image");
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
  const auto square = [&](const torch::Tensor& pixels) {
    const torch::Tensor x = pixels.slice(1, crop.top, crop.top + side).slice(2, crop.left, crop.left + side);
    return (crop.flipped ? x.flip(2) : x).contiguous();
  };
  crop.high = square(target_.defined() ? target_ : pixels_);
  crop.low =
      degraded_square(square(pixels_), options_.low, options_.downsampling, options_.degradation, seed).contiguous();
  return crop;
}

}  // namespace fmboost
