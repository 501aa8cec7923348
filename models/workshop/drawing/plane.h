#pragma once

#include <cstddef>
#include <vector>

namespace fmboost::drawing {

/// One number per pixel, rows from the top.
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

/// Means of (2 radius + 1) x (2 radius + 1) pixels with edge padding. radius >= 0.
void box_blur(Plane& plane, int radius);

/// Gaussian blur of standard deviation `sigma` pixels with edge padding. Up to 2 pixels it is the Gaussian truncated at
/// 3 sigma, above that an approximation by three box blurs. sigma <= 0 leaves the plane unchanged.
void gaussian_blur(Plane& plane, double sigma);

}  // namespace fmboost::drawing
