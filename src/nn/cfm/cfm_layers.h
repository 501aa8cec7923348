#pragma once

#include <torch/nn.h>

#include "nn/layers/parameter_memory.h"

namespace fmboost {

/// The layers of the CFM UNet: those of torch::nn, whose parameters are drawn as for a training run, unless
/// parameter_memory() says otherwise.

/// Parameters of these sizes take the place of those of a layer that was made small.
template <typename Layer>
void replace_parameters(Layer& layer, at::IntArrayRef weight, at::IntArrayRef bias) {
  layer.weight.set_data(shape_only(weight));
  layer.bias.set_data(shape_only(bias));
}

/// Conv1d or Conv2d with these options.
template <typename Holder, typename Options>
Holder cfm_convolution(const Options& options) {
  if (parameter_memory() == ParameterMemory::usual) {
    return Holder(options);
  }
  Holder layer(Options(1, 1, options.kernel_size()).stride(options.stride()).padding(options.padding()));
  layer->options.in_channels(options.in_channels());
  layer->options.out_channels(options.out_channels());
  std::vector<std::int64_t> weight{options.out_channels(), options.in_channels()};
  weight.insert(weight.end(), options.kernel_size()->begin(), options.kernel_size()->end());
  replace_parameters(*layer, weight, {options.out_channels()});
  return layer;
}

inline torch::nn::ConvTranspose2d cfm_transposed_convolution(std::int64_t in, std::int64_t out, std::int64_t size) {
  using Options = torch::nn::ConvTranspose2dOptions;
  if (parameter_memory() == ParameterMemory::usual) {
    return torch::nn::ConvTranspose2d(Options(in, out, size).stride(size));
  }
  torch::nn::ConvTranspose2d layer(Options(1, 1, size).stride(size));
  layer->options.in_channels(in);
  layer->options.out_channels(out);
  replace_parameters(*layer, {in, out, size, size}, {out});
  return layer;
}

inline torch::nn::Linear cfm_linear(std::int64_t in, std::int64_t out) {
  if (parameter_memory() == ParameterMemory::usual) {
    return torch::nn::Linear(in, out);
  }
  torch::nn::Linear layer(1, 1);
  layer->options.in_features(in);
  layer->options.out_features(out);
  replace_parameters(*layer, {out, in}, {out});
  return layer;
}

inline torch::nn::GroupNorm cfm_group_norm(std::int64_t groups, std::int64_t channels) {
  torch::nn::GroupNorm layer(torch::nn::GroupNormOptions(groups, channels));
  if (parameter_memory() != ParameterMemory::usual) {
    replace_parameters(*layer, {channels}, {channels});
  }
  return layer;
}

/// Sets weight and bias to zero, so that the block starts as the identity.
template <typename Holder>
Holder zeroed(Holder convolution) {
  if (parameter_memory() == ParameterMemory::usual) {
    const torch::NoGradGuard no_grad;
    convolution->weight.zero_();
    convolution->bias.zero_();
  }
  return convolution;
}

}  // namespace fmboost
