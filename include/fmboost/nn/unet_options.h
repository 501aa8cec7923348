#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fmboost {

/// Options of Stable Diffusion's UNet, named as in diffusers' UNet2DConditionModel. Lists have one entry per level, the
/// finest first. The defaults are those of Stable Diffusion 1.5.
struct UnetOptions {
  std::int64_t in_channels = 4;
  std::int64_t out_channels = 4;
  std::vector<std::int64_t> block_out_channels = {320, 640, 1280, 1280};
  /// With or without attention: CrossAttnDownBlock2D or DownBlock2D in the down path, CrossAttnUpBlock2D or UpBlock2D
  /// in the up path, the coarsest first.
  std::vector<std::string> down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                               "DownBlock2D"};
  std::vector<std::string> up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                             "CrossAttnUpBlock2D"};
  bool mid_block = true;  ///< mid_block_type UNetMidBlock2DCrossAttn; false: null
  std::vector<std::int64_t> layers_per_block = {2, 2, 2, 2};
  std::vector<std::int64_t> transformer_layers_per_block = {1, 1, 1, 1};
  /// The number of heads, despite the name, as in published configurations.
  std::vector<std::int64_t> attention_head_dim = {8, 8, 8, 8};
  std::int64_t cross_attention_dim = 768;  ///< width of the text states
  bool use_linear_projection = false;      ///< storage of the projection weights of attention
  std::int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::optional<std::int64_t> time_cond_proj_dim = std::nullopt;  ///< width of the guidance embedding of LCM

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  std::size_t levels() const { return block_out_channels.size(); }
  /// Height and width of the input should be multiples of this; others work.
  std::int64_t size_multiple() const { return std::int64_t{1} << (levels() - 1); }
};

}  // namespace fmboost
