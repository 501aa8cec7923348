#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fmboost {

/// Filters rows of a PNG: https://www.w3.org/TR/png-3/#9Filters.
class PngFilter {
 public:
  PngFilter(std::size_t row_bytes, std::size_t pixel_bytes);

  /// Writes the type of the filter that makes the smallest residuals and then the filtered row: 1 + row_bytes bytes.
  /// `above` is empty for the first row of the image.
  void filter(std::span<const std::uint8_t> row, std::span<const std::uint8_t> above, std::span<std::uint8_t> out);

 private:
  std::size_t pixel_bytes_;
  std::vector<std::uint8_t> nothing_;  ///< the row above the first
  std::vector<std::uint8_t> candidate_;
};

}  // namespace fmboost
