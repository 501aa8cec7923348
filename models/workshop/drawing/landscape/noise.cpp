#include "drawing/landscape/noise.h"

#include <array>

namespace fmboost::drawing {
namespace {

float fade(float t) {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

// The dot product of the corner's gradient, one of sixteen directions, with the vector from the corner.
float slope(int x, int y, std::uint32_t seed, float dx, float dy) {
  static constexpr std::array<float, 16> kX{1,  .92F,  .71F,  .38F,  0, -.38F, -.71F, -.92F,
                                            -1, -.92F, -.71F, -.38F, 0, .38F,  .71F,  .92F};
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x9e3779b1U ^ (static_cast<std::uint32_t>(y) * 0x85ebca77U + seed);
  h ^= h >> 15;
  h *= 0x2c1b3c6dU;
  h ^= h >> 13;
  h *= 0x297a2d39U;
  h >>= 28;
  return kX[h] * dx + kX[(h + 12) & 15] * dy;
}

// Inlined into the loop over octaves, which takes half of the time of an image.
inline float lattice_noise(float x, float y, std::uint32_t seed) {
  const int ix = floor_of(x);
  const int iy = floor_of(y);
  const float fx = x - static_cast<float>(ix);
  const float fy = y - static_cast<float>(iy);
  const float u = fade(fx);
  const float a = slope(ix, iy, seed, fx, fy);
  const float b = slope(ix + 1, iy, seed, fx - 1, fy);
  const float c = slope(ix, iy + 1, seed, fx, fy - 1);
  const float d = slope(ix + 1, iy + 1, seed, fx - 1, fy - 1);
  const float top = a + (b - a) * u;
  return (top + (c + (d - c) * u - top) * fade(fy)) * 1.4F;
}

}  // namespace

float gradient_noise(float x, float y, std::uint32_t seed) {
  return lattice_noise(x, y, seed);
}

float line_noise(float x, std::uint32_t seed) {
  const int ix = floor_of(x);
  const float t = x - static_cast<float>(ix);
  const float a = cell_value(ix, 0, seed);
  const float b = cell_value(ix + 1, 0, seed);
  return 2 * (a + (b - a) * t * t * (3 - 2 * t)) - 1;
}

float fractal_noise(float x, float y, std::uint32_t seed, float footprint, Octaves octaves) {
  float sum = 0;
  float amplitude = 1;
  float cell = 1;
  for (int i = 0; i < octaves.count; ++i) {
    // A wave of noise is about two cells long.
    const float weight = std::clamp(cell / footprint - 1, 0.0F, 1.0F);
    if (weight <= 0) {
      break;
    }
    const float value = lattice_noise(x, y, seed);
    sum += amplitude * weight * (octaves.ridged ? 0.55F - 2 * std::abs(value) : value);
    amplitude *= octaves.gain;
    cell *= 0.5F;
    // Rotated a little, so that the lattices of the octaves do not line up.
    const float turned = 1.76F * x - 0.95F * y;
    y = 0.95F * x + 1.76F * y + 17.3F;
    x = turned;
    seed += 0x9e3779b9U;
  }
  return sum;
}

}  // namespace fmboost::drawing
