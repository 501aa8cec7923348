#pragma once

#include <cstdint>
#include <vector>

namespace fmboost::drawing {

/// A finished image: sRGB, rows from the top, three bytes per pixel.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  Image(int columns, int rows)
      : width(columns), height(rows), rgb(std::size_t{3} * static_cast<std::size_t>(columns) * rows) {}

  std::uint8_t* pixel(int x, int y) { return rgb.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + 3 * (static_cast<std::size_t>(y) * width + x); }
};

/// Averages blocks of factor x factor pixels; incomplete blocks at the right and bottom are dropped. factor >= 1.
Image reduced(const Image& image, int factor);

}  // namespace fmboost::drawing
