#include "fmboost/image/resize.h"

#include <algorithm>

namespace fmboost {
namespace {

torch::Tensor pad_columns(const torch::Tensor& x, std::int64_t left, std::int64_t right) {
  const std::int64_t reach = x.size(3) - 1;
  if (reach == 0) {
    return x.expand({-1, -1, -1, 1 + left + right});
  }
  if (left <= reach && right <= reach) {
    return at::reflection_pad2d(x, {left, right, 0, 0});
  }
  // With repeated reflection, the columns repeat after every 2 * reach; the padding of PyTorch reflects only once.
  const torch::Tensor steps = at::arange(-left, x.size(3) + right, x.options().dtype(torch::kLong));
  const torch::Tensor phase = steps.remainder(2 * reach);
  return x.index_select(3, at::minimum(phase, 2 * reach - phase));
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
