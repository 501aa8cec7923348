#include "nn/layers/layers.h"

#include "nn/kernels/convolution.h"
#include "nn/layers/parameter_memory.h"

namespace fmboost::layers {

torch::Tensor add_parameter(torch::nn::Module& module, const std::string& name, at::IntArrayRef sizes) {
  // It must not be read before load_into() replaces the tensor.
  return module.register_parameter(name, shape_only(sizes), /*requires_grad=*/false);
}

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias, bool as_convolution) {
  weight = as_convolution ? add_parameter(*this, "weight", {out, in, 1, 1}) : add_parameter(*this, "weight", {out, in});
  if (with_bias) {
    bias = add_parameter(*this, "bias", {out});
  }
}

// load_into() may have left the weights in half precision in the mapped file.
torch::Tensor LinearImpl::forward(const torch::Tensor& x) const {
  const torch::Tensor matrix = weight.dim() == 2 ? weight : weight.flatten(1);
  return torch::linear(x, matrix.to(x.scalar_type()), bias);
}

Conv2dImpl::Conv2dImpl(std::int64_t in, std::int64_t out, Conv2dOptions options_) : options(options_) {
  weight = add_parameter(*this, "weight", {out, in, options.kernel, options.kernel});
  if (options.with_bias) {
    bias = add_parameter(*this, "bias", {out});
  }
}

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x) const {
  return convolve(x, weight, bias, options.stride, options.padding);
}

GroupNormImpl::GroupNormImpl(std::int64_t groups_, std::int64_t channels, double eps_) : groups(groups_), eps(eps_) {
  weight = add_parameter(*this, "weight", {channels});
  bias = add_parameter(*this, "bias", {channels});
}

torch::Tensor GroupNormImpl::forward(const torch::Tensor& x) const {
  return torch::group_norm(x, groups, weight, bias, eps);
}

torch::Tensor NormSiluImpl::forward(const torch::Tensor& x) const {
  torch::Tensor h = GroupNormImpl::forward(x);
  return h.requires_grad() ? torch::silu(h) : torch::silu_(h);
}

LayerNormImpl::LayerNormImpl(std::int64_t width, double eps_) : eps(eps_) {
  weight = add_parameter(*this, "weight", {width});
  bias = add_parameter(*this, "bias", {width});
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) const {
  return torch::layer_norm(x, weight.sizes(), weight, bias, eps);
}

EmbeddingImpl::EmbeddingImpl(std::int64_t count, std::int64_t width) {
  weight = add_parameter(*this, "weight", {count, width});
}

torch::Tensor EmbeddingImpl::forward(const torch::Tensor& ids) const {
  return torch::embedding(weight, ids);
}

}  // namespace fmboost::layers
