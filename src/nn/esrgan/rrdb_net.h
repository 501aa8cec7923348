#pragma once

#include <array>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <vector>

#include "fmboost/nn/esrgan_options.h"
#include "fmboost/nn/strips.h"

#include "nn/layers/layers.h"

namespace fmboost {

/// Five convolutions, each of which sees the results of all before it; a fifth of the last is added to the input.
class ResidualDenseBlockImpl : public torch::nn::Module {
 public:
  ResidualDenseBlockImpl(std::int64_t features, std::int64_t growth);
  /// x (B, features, H, W) -> as x
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  std::array<layers::Conv2d, 5> convolutions_{nullptr, nullptr, nullptr, nullptr, nullptr};
};
TORCH_MODULE(ResidualDenseBlock);

/// Three dense blocks in a row; a fifth of their result is added to the input.
class RrdbImpl : public torch::nn::Module {
 public:
  RrdbImpl(std::int64_t features, std::int64_t growth);
  /// x (B, features, H, W) -> as x
  torch::Tensor forward(const torch::Tensor& x) const;

  static constexpr std::int64_t kHalo = 15;  ///< rows that a result depends on, above and below: one a convolution

 private:
  ResidualDenseBlock rdb1_ = nullptr, rdb2_ = nullptr, rdb3_ = nullptr;
};
TORCH_MODULE(Rrdb);

class RrdbNetImpl : public torch::nn::Module {
 public:
  explicit RrdbNetImpl(RrdbNetOptions options);

  /// pixels (B, channels, H, W) in [0, 1], sides multiples of pixel_unshuffle -> (B, channels, H scale, W scale), about
  /// [0, 1], not clamped. With `strips` it is computed strip by strip, to the same result, without gradients either way.
  torch::Tensor forward(const torch::Tensor& pixels, const StripLimits* strips = nullptr) const;

  const RrdbNetOptions& options() const { return options_; }

 private:
  torch::Tensor whole(const torch::Tensor& input) const;
  torch::Tensor in_strips(const torch::Tensor& input, const StripLimits& strips) const;
  torch::Tensor upsampled(torch::Tensor features) const;

  RrdbNetOptions options_;
  layers::Conv2d conv_first_ = nullptr, conv_body_ = nullptr, conv_hr_ = nullptr, conv_last_ = nullptr;
  std::vector<Rrdb> body_;
  std::vector<layers::Conv2d> conv_up_;
};
TORCH_MODULE(RrdbNet);

}  // namespace fmboost
