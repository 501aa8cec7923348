#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "drawing/color.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Packed colors (Canvas::row) for the values 0 .. 1 of a pattern.
using Ramp = std::array<std::uint32_t, 256>;

/// The colors of one picture. A scene is lit by one light and holds few materials: most colors are near a few of
/// them.
class Palette {
 public:
  explicit Palette(Random& random);

  Color color(Random& random) const;
  /// From one color to another, over a third at times; more often than not the second is the first, lighter or darker.
  Ramp ramp(Random& random) const;
  /// Around one color, hardly lighter and darker: what looks plain from afar seldom is.
  Ramp faint_ramp(Random& random) const;

 private:
  std::vector<Color> materials_;
};

}  // namespace fmboost::drawing
