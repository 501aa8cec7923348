#include "nn/stable_diffusion/unet_blocks.h"

namespace fmboost {

ResnetBlockImpl::ResnetBlockImpl(std::int64_t in, std::int64_t out, std::int64_t time, NormOptions norm) {
  norm1 = register_module("norm1", layers::NormSilu(norm.groups, in, norm.eps));
  conv1 = register_module("conv1", layers::Conv2d(in, out));
  if (time > 0) {
    time_emb_proj = register_module("time_emb_proj", layers::Linear(time, out));
  }
  norm2 = register_module("norm2", layers::NormSilu(norm.groups, out, norm.eps));
  conv2 = register_module("conv2", layers::Conv2d(out, out));
  if (in != out) {
    conv_shortcut =
        register_module("conv_shortcut", layers::Conv2d(in, out, layers::Conv2dOptions{.kernel = 1, .padding = 0}));
  }
}

torch::Tensor ResnetBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& embedding) const {
  torch::Tensor h = conv1->forward(norm1->forward(x));
  if (!time_emb_proj.is_empty()) {
    h.add_(time_emb_proj->forward(torch::silu(embedding)).unsqueeze(-1).unsqueeze(-1));
  }
  h = conv2->forward(norm2->forward(h));
  return h.add_(conv_shortcut.is_empty() ? x : conv_shortcut->forward(x));
}

DownsampleImpl::DownsampleImpl(std::int64_t channels, bool right_and_bottom) : pad_right_and_bottom(right_and_bottom) {
  const layers::Conv2dOptions options{.stride = 2, .padding = right_and_bottom ? 0 : 1};
  conv = register_module("conv", layers::Conv2d(channels, channels, options));
}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x) const {
  return conv->forward(pad_right_and_bottom ? torch::constant_pad_nd(x, {0, 1, 0, 1}) : x);
}

UpsampleImpl::UpsampleImpl(std::int64_t channels) {
  conv = register_module("conv", layers::Conv2d(channels, channels));
}

torch::Tensor UpsampleImpl::forward(const torch::Tensor& x) const {
  return forward(x, 2 * x.size(2), 2 * x.size(3));
}

torch::Tensor UpsampleImpl::forward(const torch::Tensor& x, std::int64_t height, std::int64_t width) const {
  return conv->forward(at::upsample_nearest2d(x, {height, width}));
}

}  // namespace fmboost
