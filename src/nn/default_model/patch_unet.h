#pragma once

#include <memory>
#include <vector>

#include "fmboost/nn/default_model_options.h"

#include "nn/layers/layers.h"

namespace fmboost {

class PatchLevel;
class PatchFine;

/// The denoiser of the default bundle, with the parameter names of models/workshop/training/text_networks.py.
class PatchUnetImpl : public torch::nn::Module {
 public:
  explicit PatchUnetImpl(PatchUnetOptions options);
  /// x (B, latent_channels, H, W) of the dtype of the weights, with sides that are multiples of
  /// options.size_multiple(), timestep (B) float32, text (B, length, text_width) -> the shape of x
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& timestep, const torch::Tensor& text) const;

 private:
  torch::Tensor embed(const torch::Tensor& timestep, const torch::Tensor& text) const;

  PatchUnetOptions options_;
  layers::Linear time_in_ = nullptr, time_out_ = nullptr, text_ = nullptr;
  layers::Conv2d conv_in_ = nullptr, conv_out_ = nullptr;
  std::vector<std::shared_ptr<PatchLevel>> down_, up_;
  std::vector<layers::Conv2d> reduce_, upsample_;
  layers::NormSilu norm_out_ = nullptr;
  std::shared_ptr<PatchFine> fine_;  // may be null
};
TORCH_MODULE(PatchUnet);

}  // namespace fmboost
