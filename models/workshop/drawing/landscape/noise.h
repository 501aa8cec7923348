#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// Noise that has a value at every point of the plane, so that a picture can be drawn at any size. All of it is a
// function of place and seed alone.
namespace fmboost::drawing {

inline std::uint32_t mix_bits(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x7feb352dU;
  h ^= h >> 15;
  h *= 0x846ca68bU;
  return h ^ h >> 16;
}

/// Evenly within 0 .. 1 for a cell of the lattice.
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

/// The same along a line.
float line_noise(float x, std::uint32_t seed);

struct Octaves {
  int count = 5;
  float gain = 0.5F;    ///< amplitude of the next octave
  bool ridged = false;  ///< sharp crests instead of waves: then the values lie around 0 as well
};

/// Octaves of gradient noise, the first of amplitude 1, each twice as fine. Octaves finer than two of the pixel's
/// footprint (in the same unit as x and y) are left out and those near it are faded: a picture drawn small is then the
/// mean of a large one.
float fractal_noise(float x, float y, std::uint32_t seed, float footprint, Octaves octaves = {});

}  // namespace fmboost::drawing
