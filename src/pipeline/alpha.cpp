#include "pipeline/alpha.h"

#include <algorithm>

#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

// Half the size, rounded up; an odd side counts its last row or column twice in the mean, which cancels out where a sum
// is divided by the sum of its weights.
torch::Tensor halved(const torch::Tensor& x) {
  return at::avg_pool2d(at::replication_pad2d(x, {0, x.size(3) % 2, 0, x.size(2) % 2}), 2);
}

// Colors times weight over weight where there is weight, and the coarser level's colors elsewhere. weighted: (1, 4, H,
// W), the colors times their weight and the weight.
torch::Tensor filled(const torch::Tensor& weighted) {
  const torch::Tensor weight = weighted.slice(1, 3, 4);
  const torch::Tensor colors = weighted.slice(1, 0, 3) / weight.clamp_min(1e-6);
  if ((weight > 0).all().item<bool>() || (weighted.size(2) == 1 && weighted.size(3) == 1)) {
    return colors;
  }
  const torch::Tensor coarse = filled(halved(weighted));
  const torch::Tensor around = at::upsample_nearest2d(coarse, {2 * coarse.size(2), 2 * coarse.size(3)})
                                   .slice(2, 0, weighted.size(2))
                                   .slice(3, 0, weighted.size(3));
  return at::where(weight > 0, colors, around);
}

bool is_binary(const torch::Tensor& alpha) {
  return ((alpha == 0) | (alpha == 1)).all().item<bool>();
}

}  // namespace

torch::Tensor spread_colors(const torch::Tensor& pixels, const torch::Tensor& alpha) {
  const torch::Tensor visible = alpha > 0;
  if (visible.all().item<bool>() || !visible.any().item<bool>()) {
    return pixels;
  }
  const torch::Tensor weighted = torch::cat({pixels * alpha, alpha}).unsqueeze(0);
  return at::where(visible, pixels, filled(weighted).squeeze(0));
}

torch::Tensor upscale_alpha(const torch::Tensor& alpha, std::int64_t height, std::int64_t width) {
  torch::Tensor result = resize_bicubic(alpha.unsqueeze(0), height, width).squeeze(0);
  if (is_binary(alpha)) {
    const double factor = std::max(static_cast<double>(height) / static_cast<double>(alpha.size(1)),
                                   static_cast<double>(width) / static_cast<double>(alpha.size(2)));
    result = (result - 0.5) * factor + 0.5;
  }
  return result.clamp(0, 1);
}

}  // namespace fmboost
