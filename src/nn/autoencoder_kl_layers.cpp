#include "autoencoder_kl_layers.h"

#include "attention.h"

namespace fmboost {

SiteAttentionImpl::SiteAttentionImpl(std::int64_t channels, NormOptions norm) {
  group_norm = register_module("group_norm", layers::GroupNorm(norm.groups, channels, norm.eps));
  to_q = register_module("to_q", layers::Linear(channels, channels));
  to_k = register_module("to_k", layers::Linear(channels, channels));
  to_v = register_module("to_v", layers::Linear(channels, channels));
  to_out = layers::add(*this, "to_out.0", layers::Linear(channels, channels));
}

torch::Tensor SiteAttentionImpl::forward(const torch::Tensor& x) const {
  const torch::Tensor tokens = to_tokens(group_norm->forward(x));
  const torch::Tensor seen = attend(to_q->forward(tokens), to_k->forward(tokens), to_v->forward(tokens), /*heads=*/1);
  return x + from_tokens(to_out->forward(seen), x.sizes());
}

torch::Tensor run_layer(const AutoencoderLayer& layer, const torch::Tensor& x) {
  return std::visit([&](const auto& module) { return module->forward(x); }, layer);
}

torch::Tensor run_layers(const std::vector<AutoencoderLayer>& layers, torch::Tensor x) {
  for (const auto& layer : layers) {
    x = run_layer(layer, x);
  }
  return x;
}

}  // namespace fmboost
