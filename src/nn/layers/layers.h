#pragma once

#include <cstdint>
#include <string>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

/// Layers of networks that are read from files. Unlike those of torch::nn, constructing one draws no random numbers and
/// allocates no memory: parameters only have a shape until load_into() gives them the tensors of the file.
namespace fmboost::layers {

/// Registers a parameter with a shape and no memory.
torch::Tensor add_parameter(torch::nn::Module& module, const std::string& name, at::IntArrayRef sizes);

/// x (..., in) -> (..., out). The weight is cast to the type of x if it differs. It is (out, in), or (out, in, 1, 1) if
/// the layer was trained as a 1x1 convolution.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, bool with_bias = true, bool as_convolution = false);
  torch::Tensor forward(const torch::Tensor& x) const;

  torch::Tensor weight, bias;
};
TORCH_MODULE(Linear);

struct Conv2dOptions {
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
  bool with_bias = true;
};

/// x (B, in, H, W) -> (B, out, ...). The weight is cast to the type of x if it differs.
class Conv2dImpl : public torch::nn::Module {
 public:
  Conv2dImpl(std::int64_t in, std::int64_t out, Conv2dOptions options = {});
  torch::Tensor forward(const torch::Tensor& x) const;

  Conv2dOptions options;
  torch::Tensor weight, bias;
};
TORCH_MODULE(Conv2d);

/// Statistics are computed in float32 for every dtype of the weights.
class GroupNormImpl : public torch::nn::Module {
 public:
  GroupNormImpl(std::int64_t groups, std::int64_t channels, double eps);
  torch::Tensor forward(const torch::Tensor& x) const;

  std::int64_t groups;
  double eps;
  torch::Tensor weight, bias;
};
TORCH_MODULE(GroupNorm);

/// GroupNorm, then SiLU; without gradients, in place.
class NormSiluImpl : public GroupNormImpl {
 public:
  using GroupNormImpl::GroupNormImpl;
  torch::Tensor forward(const torch::Tensor& x) const;
};
TORCH_MODULE(NormSilu);

class LayerNormImpl : public torch::nn::Module {
 public:
  explicit LayerNormImpl(std::int64_t width, double eps = 1e-5);
  torch::Tensor forward(const torch::Tensor& x) const;

  double eps;
  torch::Tensor weight, bias;
};
TORCH_MODULE(LayerNorm);

/// A table of `count` rows.
class EmbeddingImpl : public torch::nn::Module {
 public:
  EmbeddingImpl(std::int64_t count, std::int64_t width);
  torch::Tensor forward(const torch::Tensor& ids) const;

  torch::Tensor weight;
};
TORCH_MODULE(Embedding);

/// Registers `layer` in `parent` under a dotted path such as "ff.net.0.proj", with plain modules in between, and
/// returns it. A ModuleList of the Python code is thus just a component of the name.
template <typename Holder>
Holder add(torch::nn::Module& parent, const std::string& path, Holder layer) {
  const auto dot = path.find('.');
  if (dot == std::string::npos) {
    return parent.register_module(path, std::move(layer));
  }
  const std::string name = path.substr(0, dot);
  const auto children = parent.named_children();
  const auto* found = children.find(name);
  const auto inner = found != nullptr ? *found : parent.register_module(name, std::make_shared<torch::nn::Module>());
  return add(*inner, path.substr(dot + 1), std::move(layer));
}

}  // namespace fmboost::layers
