#pragma once

#include <cstdint>
#include <vector>

#include "drawing/plane.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// The fields of the pool, by how their amplitude falls with the frequency f.
enum class Noise {
  grain,    ///< f^-0.5: almost white
  rough,    ///< f^-1.0: as much in every octave
  medium,   ///< f^-1.4
  soft,     ///< f^-1.8
  clouds,   ///< f^-2.2
  smooth,   ///< f^-2.6: wide hills, hardly any detail
  rows,     ///< f^-1.0, eight times as long in x: hair, brushed metal, ripples
  columns,  ///< the same in y: grass, rain, bark
};
inline constexpr int kNoiseKinds = 8;

/// A periodic field of fractal noise: octaves of lattice noise, joined smoothly. Values lie within 0 .. 1 with mean 0.5
/// and standard deviation 0.22 or a little less, where 0 and 1 cut them.
class NoiseField {
 public:
  static constexpr int kSide = 512;  ///< pixels after which it repeats, both ways

  /// amplitude(f) = f^-exponent; cells are `stretch_x` and `stretch_y` (powers of two) times as long as they would be.
  NoiseField(std::uint64_t seed, double exponent, int stretch_x, int stretch_y);

  /// At pixel (x, y), whatever their sign.
  float texel(int x, int y) const {
    return values_[static_cast<std::size_t>(y & (kSide - 1)) * kSide + static_cast<std::size_t>(x & (kSide - 1))];
  }
  /// Between pixels, bilinear: for pictures that are drawn at several sizes.
  float at(double x, double y) const;

  /// width x height numbers from a random place, flipped at random both ways. `zoom` >= 1 spreads the field's pixels
  /// over that many pixels each (bilinear).
  Plane sample(Random& random, int width, int height, double zoom = 1) const;

 private:
  std::vector<float> values_;
};

/// The pool's field of a kind, the same in every process. The pool is made at the first use (about 0.1 s); thread-safe.
const NoiseField& noise_field(Noise kind);

}  // namespace fmboost::drawing
