#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fmboost/image/image.h"

namespace fmboost {

enum class CropPlace { random, center };
enum class Downsampling {
  area,      ///< the mean of the pixels that become one
  bilinear,  ///< with antialias
  bicubic    ///< with antialias
};

/// "random" or "center" ("center"); "area", "bilinear" or "bicubic". Throw UsageError otherwise.
CropPlace parse_crop_place(const std::string& name);
std::string crop_place_name(CropPlace place);
Downsampling parse_downsampling(const std::string& name);
std::string downsampling_name(Downsampling downsampling);

/// How an image becomes pairs of a large and a small square.
struct ImageCropOptions {
  std::int64_t low = 512;    ///< pixels a side of the small one
  std::int64_t high = 1024;  ///< of the large one, a whole multiple of `low`
  CropPlace place = CropPlace::random;
  std::int64_t crops = 1;  ///< squares an image
  bool flip = false;       ///< mirrors half of them, left to right. In pixels: an autoencoder's latent of
                           ///< a mirrored image is not the mirrored latent
  bool fit = false;        ///< shrinks the image first, so that its shorter side is `high`
  Downsampling downsampling = Downsampling::area;
  std::uint64_t seed = 42;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// One large square and the small one made of it.
struct ImageCrop {
  torch::Tensor high;  ///< (3, high, high) float32 in [-1, 1]
  torch::Tensor low;   ///< (3, low, low)
  std::int64_t left = 0;
  std::int64_t top = 0;
  bool flipped = false;
};

/// A decoded image, ready to be cut.
class CropSource {
 public:
  /// Lays a transparent image over white, clamps it to [-1, 1] and fits it. `content_hash` stands for the image in
  /// what is random: copies of one file give the same squares, whatever their names. `name` appears in messages.
  /// Throws Error for an image that is smaller than the square.
  CropSource(const Image& image, std::string content_hash, const ImageCropOptions& options, const std::string& name);

  /// Square number `index`; any number may be asked for. The same one every time.
  ImageCrop cut(std::int64_t index) const;

  std::int64_t width() const { return pixels_.size(2); }  ///< after fitting
  std::int64_t height() const { return pixels_.size(1); }

 private:
  torch::Tensor pixels_;
  std::string content_hash_;
  ImageCropOptions options_;
};

}  // namespace fmboost
