#pragma once

#include <vector>

#include "drawing/picture.h"
#include "drawing/plane.h"

namespace fmboost::drawing::test {

/// What photographs have in common, measured on luma in 0 .. 255.
struct PictureStatistics {
  double mean = 0;
  double deviation = 0;
  std::vector<double> octaves;  ///< energy that is lost by each halving; equal ones are a power spectrum of 1/f^2
  double kurtosis = 0;          ///< of the differences of neighbors; 3 would be a normal distribution
  double flat = 0;              ///< share of 8x8 blocks whose deviation is below 2
  double busy = 0;              ///< ... above 20
  double saturation = 0;        ///< mean of (largest - smallest channel) / largest
  double coherence = 0;         ///< of the gradients in an 8x8 block: 0 all directions alike, 1 one direction
};

PictureStatistics measure(const Picture& picture);

Plane luma_of(const Picture& picture);

}  // namespace fmboost::drawing::test
