#pragma once

#include <cstdint>
#include <vector>

namespace fmboost::drawing {

/// A finished picture: sRGB, rows from the top, three bytes a pixel.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Picture() = default;
  Picture(int columns, int rows)
      : width(columns), height(rows), rgb(std::size_t{3} * static_cast<std::size_t>(columns) * rows) {}

  std::uint8_t* pixel(int x, int y) { return rgb.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
};

/// Every factor x factor pixels become their mean; what is left over at the right and below is dropped. factor >= 1.
Picture reduced(const Picture& picture, int factor);

}  // namespace fmboost::drawing
