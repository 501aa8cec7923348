#include "drawing/color.h"

#include <algorithm>
#include <cmath>

namespace fmboost::drawing {

Color clamped(Color color) {
  return {std::clamp(color.r, 0.0F, 1.0F), std::clamp(color.g, 0.0F, 1.0F), std::clamp(color.b, 0.0F, 1.0F)};
}

Color hsv(double hue, double saturation, double value) {
  // The distance of the hue from that of each primary color determines how much of it remains.
  const auto part = [&](double shift) {
    double h = (hue + shift - std::floor(hue + shift)) * 6;
    const double full = std::clamp(std::abs(h - 3) - 1, 0.0, 1.0);
    return static_cast<float>(value * (1 - saturation * (1 - full)));
  };
  return {part(0), part(2.0 / 3), part(1.0 / 3)};
}

}  // namespace fmboost::drawing
