#pragma once

#include <memory>
#include <torch/nn.h>
#include <vector>

#include "fmboost/nn/cfm_unet_options.h"
#include "fmboost/nn/strips.h"

namespace fmboost {

class CfmStage;

/// Velocity v(x, t | context) of coupling flow matching; an ADM-style UNet (arXiv 2105.05233) whose parameters have
/// the published names. Its blocks are in nn/cfm/cfm_blocks.h.
class CfmUnetImpl : public torch::nn::Module {
 public:
  explicit CfmUnetImpl(CfmUnetOptions options);

  /// x (B, C, H, W) of the dtype of the weights, t (B) in [0, 1] float32, context of the shape of x or undefined ->
  /// (B, out_channels, H, W). H and W must be multiples of options().size_multiple(). With `strips` it is computed
  /// strip by strip, with the same result and without gradients; the results of layers that are still needed are always
  /// kept.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context = {},
                        const StripLimits* strips = nullptr);

  const CfmUnetOptions& options() const { return options_; }

 private:
  void build_input_blocks(std::vector<std::int64_t>& skips);
  void build_middle_block();
  void build_output_blocks(std::vector<std::int64_t>& skips);
  bool has_attention(std::size_t level) const;
  torch::Tensor run(torch::Tensor h, const torch::Tensor& embedding);
  torch::Tensor run_in_strips(const torch::Tensor& input, const torch::Tensor& embedding, const StripLimits& limits);

  CfmUnetOptions options_;
  torch::nn::Sequential time_embed_, out_;
  torch::nn::ModuleList input_blocks_, output_blocks_;
  std::shared_ptr<CfmStage> middle_block_;
  torch::nn::Conv2d down_conv_ = nullptr;         ///< with pooling
  torch::nn::ConvTranspose2d up_conv_ = nullptr;  ///< with pooling
};
TORCH_MODULE(CfmUnet);

}  // namespace fmboost
