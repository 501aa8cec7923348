#include "pipeline/tiles.h"

#include <algorithm>

namespace fmboost {
namespace {

// First positions of tiles along one side, evenly spread, each a multiple.
std::vector<std::int64_t> tile_starts(std::int64_t length, std::int64_t side, std::int64_t overlap,
                                      std::int64_t multiple) {
  if (side >= length) {
    return {0};
  }
  const std::int64_t stride = std::max((side - overlap) / multiple * multiple, multiple);
  const std::int64_t count = (length - side + stride - 1) / stride + 1;
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < count; ++i) {
    starts.push_back((length - side) * i / (count - 1) / multiple * multiple);
  }
  return starts;
}

// 1 in the middle, with ramps towards the sides that have a neighbor; never 0, so that every pixel has a weight.
torch::Tensor ramp_weights(std::int64_t length, std::int64_t ramp, bool at_start, bool at_end) {
  const torch::Tensor position = torch::arange(length, torch::kFloat32);
  torch::Tensor weight = torch::ones({length});
  const auto slope = static_cast<double>(ramp) + 1.0;
  if (at_start) {
    weight = torch::minimum(weight, (position + 1) / slope);
  }
  if (at_end) {
    weight = torch::minimum(weight, (static_cast<double>(length) - position) / slope);
  }
  return weight;
}

}  // namespace

std::vector<Tile> tile_grid(std::int64_t height, std::int64_t width, std::int64_t side, std::int64_t overlap,
                            std::int64_t multiple) {
  std::vector<Tile> tiles;
  for (const auto top : tile_starts(height, side, overlap, multiple)) {
    for (const auto left : tile_starts(width, side, overlap, multiple)) {
      tiles.push_back({top, left, std::min(side, height), std::min(side, width)});
    }
  }
  return tiles;
}

TileBlender::TileBlender(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t ramp)
    : sum_(torch::zeros({1, channels, height, width})), weight_(torch::zeros({height, width})), ramp_(ramp) {}

void TileBlender::add(const Tile& tile, const torch::Tensor& values) {
  const std::int64_t bottom = tile.top + tile.height;
  const std::int64_t right = tile.left + tile.width;
  const torch::Tensor weight = ramp_weights(tile.height, ramp_, tile.top > 0, bottom < weight_.size(0)).unsqueeze(1) *
                               ramp_weights(tile.width, ramp_, tile.left > 0, right < weight_.size(1)).unsqueeze(0);
  using torch::indexing::Slice;
  const Slice rows(tile.top, bottom);
  const Slice columns(tile.left, right);
  sum_.index({Slice(), Slice(), rows, columns}).add_(values.to(torch::kCPU, torch::kFloat32) * weight);
  weight_.index({rows, columns}).add_(weight);
}

torch::Tensor TileBlender::result() {
  return sum_.div_(weight_);
}

}  // namespace fmboost
