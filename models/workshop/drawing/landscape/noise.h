#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// Noise defined at every point of the plane, so that an image can be drawn at any size. It is a function of position
// and seed alone.
namespace fmboost::drawing {

inline std::uint32_t mix_bits(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x7feb352dU;
  h ^= h >> 15;
  h *= 0x846ca68bU;
  return h ^ h >> 16;
}

/// A uniform number in 0 .. 1 for a cell of the lattice.
inline float cell_value(int x, int y, std::uint32_t seed) {
  return static_cast<float>(mix_bits(static_cast<std::uint32_t>(x) * 0x9e3779b1U ^
                                     (static_cast<std::uint32_t>(y) * 0x85ebca77U + seed)) >>
                            8) *
         0x1p-24F;
}

inline float smooth_step(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0F, 1.0F);
  return t * t * (3 - 2 * t);
}

inline int floor_of(float x) {
  const int whole = static_cast<int>(x);
  return whole - (static_cast<float>(whole) > x ? 1 : 0);
}

/// Gradient noise with cells 1 wide: mean 0, within about -1 .. 1 (standard deviation 0.35).
float gradient_noise(float x, float y, std::uint32_t seed);

/// The same in one dimension.
float line_noise(float x, std::uint32_t seed);

struct Octaves {
  int count = 5;
  float gain = 0.5F;    ///< amplitude of the next octave
  bool ridged = false;  ///< sharp crests instead of waves, also centered at 0
};

/// Octaves of gradient noise, the first of amplitude 1, each twice as fine as the last. Octaves finer than two pixel
/// footprints (in the unit of x and y) are omitted and those near that limit are faded, so that a small image is the
/// mean of a large one.
float fractal_noise(float x, float y, std::uint32_t seed, float footprint, Octaves octaves = {});

}  // namespace fmboost::drawing
