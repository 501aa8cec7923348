#include "drawing/profile.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fmboost::drawing {

Profile::Profile(Random& random, double period)
    : period_(period), scale_(static_cast<float>(kEntries / period)), table_() {
  const int kind = random.below(6);
  const double width = kind == 3 ? random.uniform(0.06, 0.2) : random.uniform(0.25, 0.75);
  float level = 1;
  for (int i = 0; i < kEntries; ++i) {
    const double t = static_cast<double>(i) / kEntries;
    switch (kind) {
      case 0:
        table_[i] = static_cast<float>(0.5 + 0.5 * std::cos(2 * std::numbers::pi * t));
        break;
      case 1:
        table_[i] = static_cast<float>(t < width ? t / width : (1 - t) / (1 - width));
        break;
      case 2:
      case 3:
        table_[i] = t < width ? 1 : 0;
        break;
      default:
        level = random.chance(0.03) ? static_cast<float>(random.uniform()) : level;
        table_[i] = level;
    }
  }
  smooth();
}

// Box filter of one pixel, applied twice: once for a camera's pixel, once for its lens.
void Profile::smooth() {
  const int length = std::clamp(static_cast<int>(scale_ + 0.5F), 1, kEntries - 1);
  for (int pass = 0; pass < 2; ++pass) {
    const auto source = table_;
    for (int i = 0; i < kEntries; ++i) {
      float sum = 0;
      for (int j = 0; j < length; ++j) {
        sum += source[static_cast<std::size_t>((i + j) % kEntries)];
      }
      table_[i] = sum / static_cast<float>(length);
    }
  }
}

}  // namespace fmboost::drawing
