#pragma once

#include <cstdint>

namespace fmboost {

/// RRDBNet, the network of ESRGAN and Real-ESRGAN (Wang et al., arXiv 1809.00219 and 2107.10833), under the names of
/// BasicSR. The defaults are those of RealESRGAN_x4plus.
struct RrdbNetOptions {
  std::int64_t channels = 3;         ///< of the image, in and out
  std::int64_t features = 64;        ///< channels of the trunk
  std::int64_t growth = 32;          ///< channels that each convolution of a dense block adds
  std::int64_t blocks = 23;          ///< residual-in-residual dense blocks
  std::int64_t pixel_unshuffle = 1;  ///< 1, 2 or 4: squares of this side become channels before the first convolution
  std::int64_t upsamplings = 2;      ///< doublings at the end

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// How much larger the result is: 2^upsamplings / pixel_unshuffle.
  std::int64_t factor() const { return (std::int64_t{1} << upsamplings) / pixel_unshuffle; }
  /// Sides of the input must be multiples of this.
  std::int64_t size_multiple() const { return pixel_unshuffle; }
};

/// SRVGGNetCompact, the small network of Real-ESRGAN (general-x4v3, animevideov3), under the names of BasicSR.
struct SrvggNetOptions {
  std::int64_t channels = 3;       ///< of the image, in and out
  std::int64_t features = 64;      ///< channels of the convolutions
  std::int64_t convolutions = 32;  ///< between the first and the last
  std::int64_t scale = 4;          ///< how much larger the result is

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  std::int64_t factor() const { return scale; }
  std::int64_t size_multiple() const { return 1; }
};

/// The activations that exist at one time while the network runs on a whole image, per pixel of its result.
double peak_activations(const RrdbNetOptions& options);
double peak_activations(const SrvggNetOptions& options);

}  // namespace fmboost
