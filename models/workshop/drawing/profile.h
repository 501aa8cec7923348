#pragma once

#include <array>

#include "drawing/random.h"

namespace fmboost::drawing {

/// A table of one period of a wave in 0 .. 1, smoothed to the pixel size.
class Profile {
 public:
  /// A sine, a square, a sawtooth, a thin line or bands of random widths. `period` in pixels, above 1.
  Profile(Random& random, double period);

  /// At `position` pixels, above -kFarthest.
  float operator()(float position) const {
    return table_[static_cast<unsigned>(static_cast<int>((position + kFarthest) * scale_)) % kEntries];
  }
  double period() const { return period_; }

 private:
  static constexpr int kEntries = 256;
  static constexpr float kFarthest = 2048;

  void smooth();

  double period_;
  float scale_;
  std::array<float, kEntries> table_;
};

}  // namespace fmboost::drawing
