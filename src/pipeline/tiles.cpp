#include "pipeline/tiles.h"

#include <algorithm>

namespace fmboost {
namespace {

// First latent pixels of windows along one side, evenly spread, each a multiple.
std::vector<std::int64_t> window_starts(std::int64_t length, std::int64_t tile, std::int64_t overlap,
                                        std::int64_t multiple) {
  if (tile >= length) {
    return {0};
  }
  const std::int64_t stride = std::max((tile - overlap) / multiple * multiple, multiple);
  const std::int64_t count = (length - tile + stride - 1) / stride + 1;
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < count; ++i) {
    starts.push_back((length - tile) * i / (count - 1) / multiple * multiple);
  }
  return starts;
}

// 1 in the middle, ramps towards the sides that have a neighbor; never 0, so that every latent pixel keeps a weight.
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

std::vector<Window> plan_windows(std::int64_t height, std::int64_t width, std::int64_t tile, std::int64_t overlap,
                                 std::int64_t multiple) {
  std::vector<Window> windows;
  for (const auto top : window_starts(height, tile, overlap, multiple)) {
    for (const auto left : window_starts(width, tile, overlap, multiple)) {
      windows.push_back({top, left, std::min(tile, height), std::min(tile, width)});
    }
  }
  return windows;
}

WindowBlender::WindowBlender(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t ramp)
    : sum_(torch::zeros({1, channels, height, width})), weight_(torch::zeros({height, width})), ramp_(ramp) {}

void WindowBlender::add(const Window& window, const torch::Tensor& values) {
  const std::int64_t bottom = window.top + window.height;
  const std::int64_t right = window.left + window.width;
  const torch::Tensor weight =
      ramp_weights(window.height, ramp_, window.top > 0, bottom < weight_.size(0)).unsqueeze(1) *
      ramp_weights(window.width, ramp_, window.left > 0, right < weight_.size(1)).unsqueeze(0);
  using torch::indexing::Slice;
  const Slice rows(window.top, bottom);
  const Slice columns(window.left, right);
  sum_.index({Slice(), Slice(), rows, columns}).add_(values.to(torch::kCPU, torch::kFloat32) * weight);
  weight_.index({rows, columns}).add_(weight);
}

torch::Tensor WindowBlender::result() {
  return sum_.div_(weight_);
}

}  // namespace fmboost
