#include "fmboost/image/resize.h"

#include <algorithm>

namespace fmboost {
namespace {

// Reflection reaches at most side - 1 beyond an edge; more is done in turns.
torch::Tensor pad_columns(torch::Tensor x, std::int64_t left, std::int64_t right) {
  if (x.size(3) == 1) {
    return x.expand({-1, -1, -1, 1 + left + right});
  }
  while (left > 0 || right > 0) {
    const std::int64_t reach = x.size(3) - 1;
    const std::int64_t now_left = std::min(left, reach);
    const std::int64_t now_right = std::min(right, reach);
    x = at::reflection_pad2d(x, {now_left, now_right, 0, 0});
    left -= now_left;
    right -= now_right;
  }
  return x;
}

}  // namespace

torch::Tensor resize_bicubic(const torch::Tensor& x, std::int64_t height, std::int64_t width) {
  const bool reduces = height < x.size(2) || width < x.size(3);
  return reduces ? at::_upsample_bicubic2d_aa(x, {height, width}, /*align_corners=*/false)
                 : at::upsample_bicubic2d(x, {height, width}, /*align_corners=*/false);
}

torch::Tensor pad_reflect(const torch::Tensor& x, const Margins& margins) {
  const torch::Tensor wide = pad_columns(x, margins.left, margins.right);
  return pad_columns(wide.transpose(2, 3), margins.top, margins.bottom).transpose(2, 3).contiguous();
}

torch::Tensor crop(const torch::Tensor& x, const Margins& margins) {
  return x.slice(2, margins.top, x.size(2) - margins.bottom).slice(3, margins.left, x.size(3) - margins.right);
}

}  // namespace fmboost
