#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <torch/nn.h>
#include <vector>

namespace fmboost {

class CfmStage;

/// The published CFM UNet's options, under its names (https://github.com/CompVis/fm-boosting).
struct CfmUnetOptions {
  std::int64_t in_channels = 8;  ///< x_t and context together
  std::int64_t model_channels = 128;
  std::int64_t out_channels = 4;
  std::int64_t num_res_blocks = 3;
  std::vector<std::int64_t> attention_resolutions = {8, 16};  ///< down-sampling factors that get attention
  double dropout = 0.0;
  std::vector<std::int64_t> channel_mult = {1, 2, 4, 8};
  bool conv_resample = true;
  std::int64_t dim_head = 64;
  std::int64_t num_heads = 4;
  bool use_linear_attn = true;
  bool use_scale_shift_norm = true;
  std::int64_t pool_factor = -1;  ///< greater than 1: the network works on pooled sites

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Height and width of the input must be multiples of this.
  std::int64_t size_multiple() const;
};

/// Reads the fields above, those missing keep their defaults; an unknown field or a wrong type throws ModelError.
CfmUnetOptions cfm_unet_options_from_json(const nlohmann::json& json);
nlohmann::json to_json(const CfmUnetOptions& options);

/// Velocity v(x, t | context) of coupling flow matching; an ADM-style UNet (arXiv 2105.05233) whose parameters carry
/// the published names. Its blocks are in src/nn/cfm_blocks.h.
class CfmUnetImpl : public torch::nn::Module {
 public:
  explicit CfmUnetImpl(CfmUnetOptions options);

  /// x (B, C, H, W) of the weights' dtype, t (B) in [0, 1] float32, context as x or undefined -> (B, out_channels, H,
  /// W). H and W must be multiples of options().size_multiple().
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context = {});

  const CfmUnetOptions& options() const { return options_; }

 private:
  void build_input_blocks(std::vector<std::int64_t>& skips);
  void build_middle_block();
  void build_output_blocks(std::vector<std::int64_t>& skips);
  bool has_attention(std::size_t level) const;

  CfmUnetOptions options_;
  torch::nn::Sequential time_embed_, out_;
  torch::nn::ModuleList input_blocks_, output_blocks_;
  std::shared_ptr<CfmStage> middle_block_;
  torch::nn::Conv2d down_conv_ = nullptr;         ///< with pooling
  torch::nn::ConvTranspose2d up_conv_ = nullptr;  ///< with pooling
};
TORCH_MODULE(CfmUnet);

}  // namespace fmboost
