#pragma once

#include <cstddef>
#include <vector>

namespace fmboost::drawing {

/// One number a pixel, rows from the top.
struct Plane {
  int width = 0;
  int height = 0;
  std::vector<float> values;

  Plane() = default;
  Plane(int columns, int rows, float value = 0)
      : width(columns), height(rows), values(static_cast<std::size_t>(columns) * rows, value) {}

  float* row(int y) { return values.data() + static_cast<std::size_t>(y) * width; }
  const float* row(int y) const { return values.data() + static_cast<std::size_t>(y) * width; }
  float& at(int x, int y) { return row(y)[x]; }
  float at(int x, int y) const { return row(y)[x]; }
};

/// Means of (2 radius + 1) x (2 radius + 1) pixels; the edge is repeated outwards. radius >= 0.
void box_blur(Plane& plane, int radius);

/// Gaussian of standard deviation `sigma` pixels; the edge is repeated outwards. Up to 2 pixels it is the Gaussian cut
/// at 3 sigma, above three box blurs that come close to it. sigma <= 0 leaves the plane as it is.
void gaussian_blur(Plane& plane, double sigma);

}  // namespace fmboost::drawing
