#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "image/write/pixel_rows.h"

namespace fmboost {

/// How many rows make a strip of 256 KiB, which is compressed on its own.
inline std::int64_t rows_of_strip(const PixelRows& rows) {
  constexpr std::size_t kStripBytes = std::size_t{1} << 18;
  return static_cast<std::int64_t>(std::clamp<std::size_t>(kStripBytes / rows.row_bytes(), 1, 1 << 16));
}

/// Strips that are compressed before they are written.
inline constexpr std::int64_t kStripsAtATime = 64;

/// Calls `work` for 0 .. count - 1, from as many threads as LibTorch computes with. at::parallel_for would need OpenMP
/// in this library. Throws the first exception of a call, after all threads have ended.
void for_each_strip(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace fmboost
