#include "nn/cfm/cfm_blocks.h"

#include <utility>

#include "nn/cfm/cfm_layers.h"

#include "nn/kernels/convolution.h"

namespace fmboost {
namespace {

namespace nn = torch::nn;

nn::GroupNorm group_norm(std::int64_t channels) {
  return cfm_group_norm(kCfmGroups, channels);
}

nn::Conv2d convolution(std::int64_t in, std::int64_t out) {
  return cfm_convolution<nn::Conv2d>(nn::Conv2dOptions(in, out, 3).padding(1));
}

}  // namespace

torch::Tensor convolve(const nn::Conv2d& convolution, const torch::Tensor& x) {
  const auto& options = convolution->options;
  const bool is_3x3 = *options.kernel_size() == std::array<std::int64_t, 2>{3, 3} &&
                      *options.stride() == std::array<std::int64_t, 2>{1, 1};
  return is_3x3 ? fmboost::convolve(x, convolution->weight, convolution->bias, 1, 1)
                : nn::Conv2d(convolution)->forward(x);
}

CfmResBlockImpl::CfmResBlockImpl(std::int64_t in_channels, std::int64_t embedding, std::int64_t out_channels,
                                 bool scale_shift_, double dropout_)
    : scale_shift(scale_shift_),
      in_norm(group_norm(in_channels)),
      out_norm(group_norm(out_channels)),
      in_conv(convolution(in_channels, out_channels)),
      out_conv(zeroed(convolution(out_channels, out_channels))),
      time_layer(cfm_linear(embedding, scale_shift_ ? 2 * out_channels : out_channels)),
      dropout(dropout_) {
  // The indices in the lists give the published names; SiLU occupies one.
  register_module("in_layers", nn::ModuleList(in_norm, nn::SiLU(), in_conv));
  register_module("emb_layers", nn::ModuleList(nn::SiLU(), time_layer));
  register_module("out_layers", nn::ModuleList(out_norm, nn::SiLU(), dropout, out_conv));
  if (in_channels != out_channels) {
    skip = register_module("skip_connection",
                           cfm_convolution<nn::Conv2d>(nn::Conv2dOptions(in_channels, out_channels, 1)));
  }
}

torch::Tensor CfmResBlockImpl::time_terms(const torch::Tensor& embedding) {
  return time_layer(torch::silu(embedding)).unsqueeze(-1).unsqueeze(-1);
}

torch::Tensor CfmResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& embedding) {
  torch::Tensor h = convolve(in_conv, torch::silu(in_norm(x)));
  const torch::Tensor e = time_terms(embedding);
  if (scale_shift) {
    const auto halves = e.chunk(2, 1);
    h = out_norm(h) * (1 + halves[0]) + halves[1];
  } else {
    h = out_norm(h + e);
  }
  h = convolve(out_conv, dropout(torch::silu(h)));
  // In this order, since a sum takes the memory layout of its first operand: h comes from a convolution and is
  // channels-last if the weights are; x may not be after an attention.
  return h + (skip.is_empty() ? x : skip(x));
}

CfmAttentionImpl::CfmAttentionImpl(std::int64_t channels, std::int64_t heads, std::int64_t dim_head, bool linear)
    : heads_(heads), dim_head_(dim_head), linear_(linear) {
  norm_ = register_module("norm", group_norm(channels));
  qkv_ = register_module("qkv", cfm_convolution<nn::Conv1d>(nn::Conv1dOptions(channels, 3 * heads * dim_head, 1)));
  proj_out_ = register_module("proj_out", zeroed(cfm_convolution<nn::Conv1d>(nn::Conv1dOptions(heads * dim_head, channels, 1))));
}

torch::Tensor CfmAttentionImpl::forward(const torch::Tensor& x) {
  const std::int64_t batch = x.size(0);
  const std::int64_t positions = x.size(2) * x.size(3);
  const torch::Tensor tokens = x.reshape({batch, x.size(1), positions});
  const auto parts = qkv_(norm_(tokens)).reshape({batch, heads_, positions, 3 * dim_head_}).chunk(3, -1);
  torch::Tensor out;
  if (linear_) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(dim_head_));
    const torch::Tensor context = torch::softmax(parts[1], -2).transpose(-1, -2).matmul(parts[2]);
    out = (torch::softmax(parts[0], -1) * scale).matmul(context);
  } else {
    out = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
  }
  return (tokens + proj_out_(out.reshape({batch, heads_ * dim_head_, positions}))).reshape(x.sizes());
}

CfmDownsampleImpl::CfmDownsampleImpl(std::int64_t channels, bool convolve) {
  if (convolve) {
    op = register_module("op", cfm_convolution<nn::Conv2d>(nn::Conv2dOptions(channels, channels, 3).stride(2).padding(1)));
  }
}

torch::Tensor CfmDownsampleImpl::forward(const torch::Tensor& x) {
  return op.is_empty() ? torch::avg_pool2d(x, 2, 2) : op(x);
}

CfmUpsampleImpl::CfmUpsampleImpl(std::int64_t channels, bool convolve) {
  if (convolve) {
    conv = register_module("conv", convolution(channels, channels));
  }
}

torch::Tensor CfmUpsampleImpl::forward(const torch::Tensor& x) {
  const torch::Tensor upscaled = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  return conv.is_empty() ? upscaled : convolve(conv, upscaled);
}

torch::Tensor CfmStage::forward(torch::Tensor x, const torch::Tensor& embedding) {
  for (auto& block : blocks_) {
    x = std::visit(
        [&](auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, CfmResBlock>) {
            return one->forward(x, embedding);
          } else {
            return one->forward(x);
          }
        },
        block);
  }
  return x;
}

}  // namespace fmboost
