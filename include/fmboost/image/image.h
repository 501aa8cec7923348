#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <torch/types.h>
#include <utility>
#include <vector>

namespace fmboost {

/// Data of an image other than its pixels.
struct ImageMetadata {
  std::vector<std::byte> icc_profile;                     ///< of an RGB image, as in the file; empty for sRGB
  std::vector<std::byte> exif;                            ///< TIFF structure without the "Exif\0\0" prefix
  std::vector<std::pair<std::string, std::string>> text;  ///< PNG text: keyword, UTF-8 text, in file order
};

/// A decoded image: upright, sRGB.
struct Image {
  torch::Tensor pixels;  ///< (3, H, W) float32, sRGB in [-1, 1]; values of a wider source gamut may exceed the range
  torch::Tensor alpha;   ///< (1, H, W) float32 in [0, 1], or undefined for an opaque image
  ImageMetadata metadata;
  std::string format;  ///< "png", "jpeg", "webp", ... as recognized by content

  std::int64_t height() const { return pixels.size(1); }
  std::int64_t width() const { return pixels.size(2); }
};

}  // namespace fmboost
