#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "drawing/color.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Maps the values 0 .. 1 of a pattern to packed colors (Canvas::row).
using Ramp = std::array<std::uint32_t, 256>;

/// The colors of one image. A scene has one light and few materials, so most colors are near a few base colors.
class Palette {
 public:
  explicit Palette(Random& random);

  Color color(Random& random) const;
  /// From one color to another, sometimes via a third; usually the second is a lighter or darker version of the first.
  Ramp ramp(Random& random) const;
  /// Around one color with slight variations: real plain surfaces are rarely uniform.
  Ramp faint_ramp(Random& random) const;

 private:
  std::vector<Color> materials_;
};

}  // namespace fmboost::drawing
