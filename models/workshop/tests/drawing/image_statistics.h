#pragma once

#include <vector>

#include "drawing/image.h"
#include "drawing/plane.h"

namespace fmboost::drawing::test {

/// Statistics that photographs have in common, measured on luma in 0 .. 255.
struct ImageStatistics {
  double mean = 0;
  double deviation = 0;
  std::vector<double> octaves;  ///< energy lost by each halving; equal values mean a power spectrum of 1/f^2
  double kurtosis = 0;          ///< of the differences of neighbors (3 for a normal distribution)
  double flat = 0;              ///< share of 8x8 blocks whose deviation is below 2
  double busy = 0;              ///< ... above 20
  double saturation = 0;        ///< mean of (largest - smallest channel) / largest
  double coherence = 0;         ///< of the gradients in an 8x8 block: 0 all directions alike, 1 one direction
};

ImageStatistics measure(const Image& image);

Plane luma_of(const Image& image);

}  // namespace fmboost::drawing::test
