#pragma once

#include <memory>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <vector>

#include "fmboost/nn/unet_options.h"

namespace fmboost {

class TimestepEmbedding;
class UnetBlock;
namespace layers {
class Conv2dImpl;
class NormSiluImpl;
}  // namespace layers

/// The denoiser of Stable Diffusion 1.5 and 2 (arXiv 2112.10752), whose parameters have the names of diffusers'
/// UNet2DConditionModel, and no values until load_into() reads them. Its blocks are in unet_blocks.h and
/// spatial_transformer.h.
class UnetImpl : public torch::nn::Module {
 public:
  explicit UnetImpl(UnetOptions options);

  /// x (B, in_channels, H, W) of the dtype of the weights, timestep (B) float32, text (B, length, cross_attention_dim),
  /// guidance (B, time_cond_proj_dim) or undefined -> (B, out_channels, H, W).
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& timestep, const torch::Tensor& text,
                        const torch::Tensor& guidance = {}) const;

  const UnetOptions& options() const { return options_; }

 private:
  void build_down_blocks(std::vector<std::int64_t>& skips);
  void build_mid_block();
  void build_up_blocks(std::vector<std::int64_t>& skips);

  UnetOptions options_;
  std::shared_ptr<layers::Conv2dImpl> conv_in_, conv_out_;
  std::shared_ptr<TimestepEmbedding> time_embedding_;
  std::vector<std::shared_ptr<UnetBlock>> down_blocks_, up_blocks_;
  std::shared_ptr<UnetBlock> mid_block_;
  std::shared_ptr<layers::NormSiluImpl> conv_norm_out_;
};
TORCH_MODULE(Unet);

}  // namespace fmboost
