#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <vector>

#include "fmboost/nn/esrgan_options.h"
#include "fmboost/nn/strips.h"

#include "nn/layers/layers.h"

namespace fmboost {

/// One slope for each channel where x is negative.
class PReluImpl : public torch::nn::Module {
 public:
  explicit PReluImpl(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x) const;

  torch::Tensor weight;
};
TORCH_MODULE(PRelu);

class SrvggNetImpl : public torch::nn::Module {
 public:
  explicit SrvggNetImpl(SrvggNetOptions options);

  /// pixels (B, channels, H, W) in [0, 1] -> (B, channels, H scale, W scale), about [0, 1], not clamped. With `strips`
  /// it is computed strip by strip, to the same result, without gradients.
  torch::Tensor forward(const torch::Tensor& pixels, const StripLimits* strips = nullptr) const;

  const SrvggNetOptions& options() const { return options_; }

 private:
  torch::Tensor whole(const torch::Tensor& pixels) const;
  torch::Tensor in_strips(const torch::Tensor& pixels, const StripLimits& strips) const;

  SrvggNetOptions options_;
  std::vector<layers::Conv2d> convolutions_;
  std::vector<PRelu> activations_;  ///< behind all convolutions but the last
};
TORCH_MODULE(SrvggNet);

}  // namespace fmboost
