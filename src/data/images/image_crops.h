#pragma once

#include <cstdint>
#include <string>

#include "fmboost/data/options.h"
#include "fmboost/image/image.h"

namespace fmboost {

/// One large square and the small one made from it.
struct ImageCrop {
  torch::Tensor high;  ///< (3, high, high) float32 in [-1, 1]
  torch::Tensor low;   ///< (3, low, low)
  std::int64_t left = 0;
  std::int64_t top = 0;
  bool flipped = false;
};

/// A decoded image from which squares are cut.
class CropSource {
 public:
  /// Blends a transparent image over white, clamps it to [-1, 1] and fits it. `content_hash` identifies the image for
  /// all random choices: copies of one file give the same squares, whatever their names. `name` appears in messages.
  /// Throws Error for an image that is smaller than the square.
  CropSource(const Image& image, std::string content_hash, const ImageCropOptions& options, const std::string& name);

  /// From now on, large squares are cut from `target`, an image of the same size, and small ones from the image itself
  /// at the same place. Throws Error if the size differs.
  void set_target(const Image& target, const std::string& name);

  /// Square number `index`, which has no upper limit. The same number always gives the same square.
  ImageCrop cut(std::int64_t index) const;

  std::int64_t width() const { return pixels_.size(2); }  ///< after fitting
  std::int64_t height() const { return pixels_.size(1); }

 private:
  torch::Tensor pixels_;
  torch::Tensor target_;  ///< of the same size, or undefined
  std::string content_hash_;
  ImageCropOptions options_;
};

}  // namespace fmboost
