#pragma once

#include <cstdint>
#include <vector>

#include "drawing/plane.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// The fields of the pool, by the decay of their amplitude with the frequency f.
enum class Noise {
  grain,    ///< f^-0.5: almost white noise
  rough,    ///< f^-1.0: equal energy in every octave
  medium,   ///< f^-1.4
  soft,     ///< f^-1.8
  clouds,   ///< f^-2.2
  smooth,   ///< f^-2.6: wide hills, almost no detail
  rows,     ///< f^-1.0, stretched eight times in x: hair, brushed metal, ripples
  columns,  ///< f^-1.0, stretched eight times in y: grass, rain, bark
};
inline constexpr int kNoiseKinds = 8;

/// A periodic field of fractal noise: octaves of smoothly interpolated lattice noise. Values lie in 0 .. 1 with mean
/// 0.5 and standard deviation 0.22, or a little less due to clipping at 0 and 1.
class NoiseField {
 public:
  static constexpr int kSide = 512;  ///< period in pixels, in x and y

  /// amplitude(f) = f^-exponent; cells are stretched by `stretch_x` and `stretch_y` (powers of two).
  NoiseField(std::uint64_t seed, double exponent, int stretch_x, int stretch_y);

  /// At pixel (x, y), which may be negative.
  float texel(int x, int y) const {
    return values_[static_cast<std::size_t>(y & (kSide - 1)) * kSide + static_cast<std::size_t>(x & (kSide - 1))];
  }
  /// Bilinear between pixels, for images that are drawn at several sizes.
  float at(double x, double y) const;

  /// width x height numbers from a random position, flipped at random in x and y. `zoom` >= 1 magnifies the field by
  /// that factor (bilinear).
  Plane sample(Random& random, int width, int height, double zoom = 1) const;

 private:
  std::vector<float> values_;
};

/// The pool's field of this kind, the same in every process. The pool is built on first use (about 0.1 s). Thread-safe.
const NoiseField& noise_field(Noise kind);

}  // namespace fmboost::drawing
