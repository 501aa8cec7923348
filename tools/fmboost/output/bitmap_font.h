#pragma once

#include <cstdint>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost::tool {

/// Size of a character's cell in pixels, gaps included.
inline constexpr std::int64_t kGlyphWidth = 6;
inline constexpr std::int64_t kGlyphHeight = 9;

/// Draws one line of text into `canvas`, (H, W) uint8, with the value `ink`. Characters outside ASCII become boxes, and
/// what does not fit is cut off.
void draw_text(torch::Tensor& canvas, const std::string& utf8, std::int64_t x, std::int64_t y, std::uint8_t ink);

/// Breaks a text at spaces into at most `lines` lines of `width` characters; "..." ends a text that is longer.
std::vector<std::string> wrap_text(const std::string& utf8, std::size_t width, std::size_t lines);

}  // namespace fmboost::tool
