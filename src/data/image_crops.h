#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fmboost/image/image.h"

namespace fmboost {

enum class CropPlace { random, center };
enum class Reduction {
  area,      ///< the mean of the pixels that become one
  bilinear,  ///< with antialias
  bicubic    ///< with antialias
};

/// "random" or "center" ("centre"); "area", "bilinear" or "bicubic". Throw UsageError otherwise.
CropPlace parse_crop_place(const std::string& name);
std::string crop_place_name(CropPlace place);
Reduction parse_reduction(const std::string& name);
std::string reduction_name(Reduction reduction);

/// How a picture becomes pairs of a large and a small square.
struct PictureCropOptions {
  std::int64_t low = 512;    ///< pixels a side of the small one
  std::int64_t high = 1024;  ///< of the large one, a whole multiple of `low`
  CropPlace place = CropPlace::random;
  std::int64_t crops = 1;  ///< squares a picture
  bool flip = false;       ///< mirrors half of them, left to right. In pixels: an autoencoder's latent of
                           ///< a mirrored picture is not the mirrored latent
  bool fit = false;        ///< shrinks the picture first, so that its shorter side is `high`
  Reduction reduction = Reduction::area;
  std::uint64_t seed = 42;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// One large square and the small one made of it.
struct PictureCrop {
  torch::Tensor high;  ///< (3, high, high) float32 in [-1, 1]
  torch::Tensor low;   ///< (3, low, low)
  std::int64_t left = 0;
  std::int64_t top = 0;
  bool flipped = false;
};

/// A decoded picture, ready to be cut.
class CropSource {
 public:
  /// Lays a transparent picture over white, clamps it to [-1, 1] and fits it. `content_hash` stands for the picture in
  /// what is random: copies of one file give the same squares, whatever their names. `name` appears in messages.
  /// Throws Error for a picture that is smaller than the square.
  CropSource(const Image& image, std::string content_hash, const PictureCropOptions& options, const std::string& name);

  /// Square number `index`; any number may be asked for. The same one every time.
  PictureCrop cut(std::int64_t index) const;

  std::int64_t width() const { return pixels_.size(2); }  ///< after fitting
  std::int64_t height() const { return pixels_.size(1); }

 private:
  torch::Tensor pixels_;
  std::string content_hash_;
  PictureCropOptions options_;
};

}  // namespace fmboost
