#include "pipeline/flat_areas.h"

#include <algorithm>

namespace fmboost {
namespace {

// Which pixels have the same color as all of their neighbors: (1, 1, H, W).
torch::Tensor flat_pixels(const torch::Tensor& source) {
  const torch::Tensor padded = at::replication_pad2d(source, {1, 1, 1, 1});
  const torch::Tensor highest = at::max_pool2d(padded, 3, 1);
  const torch::Tensor lowest = -at::max_pool2d(-padded, 3, 1);
  return (highest == lowest).all(1, /*keepdim=*/true);
}

// The nearest of `from` positions for each of `to`.
torch::Tensor nearest(std::int64_t from, std::int64_t to) {
  const torch::Tensor centers =
      (at::arange(to, torch::kFloat64) + 0.5) * static_cast<double>(from) / static_cast<double>(to);
  return centers.floor().to(torch::kLong).clamp(0, from - 1);
}

}  // namespace

void hold_flat_areas(torch::Tensor& upscaled, const torch::Tensor& source) {
  constexpr std::int64_t kBlockRows = 128;  // bounds the memory
  const torch::Tensor flat = flat_pixels(source);
  if (!flat.any().item<bool>()) {
    return;
  }
  const std::int64_t height = upscaled.size(2);
  const torch::Tensor rows = nearest(source.size(2), height);
  const torch::Tensor columns = nearest(source.size(3), upscaled.size(3));
  for (std::int64_t begin = 0; begin < height; begin += kBlockRows) {
    const std::int64_t end = std::min(begin + kBlockRows, height);
    const auto resized = [&](const torch::Tensor& x) {
      return x.index_select(2, rows.slice(0, begin, end)).index_select(3, columns);
    };
    torch::Tensor block = upscaled.slice(2, begin, end);
    block.copy_(at::where(resized(flat), resized(source), block));
  }
}

}  // namespace fmboost
