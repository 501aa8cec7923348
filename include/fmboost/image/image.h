#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <torch/types.h>
#include <utility>
#include <vector>

namespace fmboost {

/// How many pixels fit into a length on paper, or the shape of a pixel alone.
struct PixelDensity {
  double x = 0;          ///< pixels per inch, more than 0; without a unit only the ratio x : y counts
  double y = 0;          ///< the same vertically
  bool has_unit = true;  ///< false: x and y describe the shape of a pixel

  bool operator==(const PixelDensity&) const = default;
};

/// Data of an image other than its pixels.
struct ImageMetadata {
  std::vector<std::byte> icc_profile;                     ///< RGB, or gray if the image is; empty for sRGB
  std::vector<std::byte> exif;                            ///< TIFF structure without the "Exif\0\0" prefix
  std::string xmp;                                        ///< XMP packet: XML, UTF-8
  std::vector<std::pair<std::string, std::string>> text;  ///< PNG text: keyword, UTF-8 text, in file order
  std::optional<PixelDensity> density;                    ///< for printing
  std::vector<std::string> not_kept;                      ///< what else the file holds, in words, for a notice
};

/// A decoded image: upright, sRGB.
struct Image {
  torch::Tensor pixels;  ///< (3, H, W) float32, sRGB in [-1, 1]; values of a wider source gamut may exceed the range
  torch::Tensor alpha;   ///< (1, H, W) float32 in [0, 1], or undefined for an opaque image
  ImageMetadata metadata;
  std::string format;  ///< "png", "jpeg", "webp", ... as recognized by content
  bool gray = false;   ///< the channels are equal, and the image is written with one
  int bit_depth = 8;   ///< 16 if the file has more than 8 bits per sample, otherwise 8

  std::int64_t height() const { return pixels.size(1); }
  std::int64_t width() const { return pixels.size(2); }
};

}  // namespace fmboost
