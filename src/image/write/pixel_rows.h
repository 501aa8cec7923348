#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <torch/types.h>
#include <vector>

#include "fmboost/image/image.h"

#include "image/color_profile.h"

namespace fmboost {

/// How a file stores its samples.
struct SampleLayout {
  bool gray = false;        ///< one color channel instead of three
  bool alpha = false;       ///< an alpha channel after the colors
  bool over_white = false;  ///< alpha is composited over white
  int bits = 8;             ///< 8 or 16 per sample
  bool big_endian = false;  ///< byte order of 16-bit samples

  std::size_t channels() const { return (gray ? 1 : 3) + (alpha ? 1 : 0); }
  std::size_t pixel_bytes() const { return channels() * static_cast<std::size_t>(bits) / 8; }
};

/// The rows of an image as a file stores them: converted to the image's color profile and to integers when they are
/// asked for, so that no second copy of the image is needed. Rows may be read from several threads.
class PixelRows {
 public:
  /// Throws Error if the color profile cannot be converted to.
  PixelRows(const Image& image, const SampleLayout& layout);

  std::int64_t width() const { return colors_.size(2); }
  std::int64_t height() const { return colors_.size(1); }
  const SampleLayout& layout() const { return layout_; }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width()) * layout_.pixel_bytes(); }

  /// Writes `count` rows from row `first` on, interleaved: count * row_bytes() bytes.
  void read(std::int64_t first, std::int64_t count, std::byte* out) const;
  std::vector<std::byte> read_all() const;

 private:
  void read_row(std::int64_t row, std::span<float> scratch, std::byte* out) const;
  void convert_row(std::int64_t row, std::span<float> scratch) const;

  SampleLayout layout_;
  torch::Tensor colors_;  ///< (1 or 3, H, W) in [-1, 1]
  torch::Tensor alpha_;   ///< (H, W) in [0, 1], or undefined
  std::unique_ptr<SrgbConversion> conversion_;
};

}  // namespace fmboost
