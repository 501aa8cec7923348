#include "nn/layers/autoencoder_layers.h"

#include "nn/layers/attention.h"

namespace fmboost {
namespace {

torch::Tensor forward(const Pointwise& layer, const torch::Tensor& x) {
  return layer.function(x);
}
torch::Tensor forward(const NearestUpsample& /*layer*/, const torch::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}
torch::Tensor forward(const PixelShuffle& layer, const torch::Tensor& x) {
  return torch::pixel_shuffle(x, layer.factor);
}
torch::Tensor forward(const PixelUnshuffle& layer, const torch::Tensor& x) {
  return torch::pixel_unshuffle(x, layer.factor);
}
template <typename Module>
torch::Tensor forward(const Module& module, const torch::Tensor& x) {
  return module->forward(x);
}

}  // namespace

SpatialSelfAttentionImpl::SpatialSelfAttentionImpl(std::int64_t channels, NormOptions norm) {
  group_norm = register_module("group_norm", layers::GroupNorm(norm.groups, channels, norm.eps));
  to_q = register_module("to_q", layers::Linear(channels, channels));
  to_k = register_module("to_k", layers::Linear(channels, channels));
  to_v = register_module("to_v", layers::Linear(channels, channels));
  to_out = layers::add(*this, "to_out.0", layers::Linear(channels, channels));
}

torch::Tensor SpatialSelfAttentionImpl::forward(const torch::Tensor& x) const {
  const torch::Tensor tokens = to_tokens(group_norm->forward(x));
  const torch::Tensor seen = attend_positions(to_q->forward(tokens), to_k->forward(tokens), to_v->forward(tokens),
                                              x.size(2), kMostLatentPixels);
  return x + from_tokens(to_out->forward(seen), x.sizes());
}

TinyBlockImpl::TinyBlockImpl(std::int64_t channels) {
  conv0 = layers::add(*this, "conv.0", layers::Conv2d(channels, channels));
  conv2 = layers::add(*this, "conv.2", layers::Conv2d(channels, channels));
  conv4 = layers::add(*this, "conv.4", layers::Conv2d(channels, channels));
}

torch::Tensor TinyBlockImpl::forward(const torch::Tensor& x) const {
  const torch::Tensor h = torch::relu(conv2->forward(torch::relu(conv0->forward(x))));
  return torch::relu(conv4->forward(h) + x);
}

PlainBlockImpl::PlainBlockImpl(std::int64_t channels) {
  conv1 = register_module("conv1", layers::Conv2d(channels, channels));
  conv2 = register_module("conv2", layers::Conv2d(channels, channels));
}

torch::Tensor PlainBlockImpl::forward(const torch::Tensor& x) const {
  return conv2->forward(torch::relu(conv1->forward(torch::relu(x)))).add_(x);
}

torch::Tensor run_layer(const AutoencoderLayer& layer, const torch::Tensor& x) {
  return std::visit([&](const auto& one) { return forward(one, x); }, layer);
}

}  // namespace fmboost
