#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fmboost {

/// Stable Diffusion's UNet, under the names of diffusers' UNet2DConditionModel. Lists have an entry a level, the finest
/// one first. The defaults are Stable Diffusion 1.5's.
struct UnetOptions {
  std::int64_t in_channels = 4;
  std::int64_t out_channels = 4;
  std::vector<std::int64_t> block_out_channels = {320, 640, 1280, 1280};
  /// With attention or without, on the way down and, coarsest first, on the way up: CrossAttnDownBlock2D, DownBlock2D;
  /// CrossAttnUpBlock2D, UpBlock2D.
  std::vector<std::string> down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                               "DownBlock2D"};
  std::vector<std::string> up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                             "CrossAttnUpBlock2D"};
  bool mid_block = true;  ///< mid_block_type UNetMidBlock2DCrossAttn; false: null
  std::vector<std::int64_t> layers_per_block = {2, 2, 2, 2};
  std::vector<std::int64_t> transformer_layers_per_block = {1, 1, 1, 1};
  /// How many heads, although it is called attention_head_dim: published configurations depend on it.
  std::vector<std::int64_t> attention_head_dim = {8, 8, 8, 8};
  std::int64_t cross_attention_dim = 768;  ///< width of the text states
  bool use_linear_projection = false;      ///< how the weights of attention's projections are stored
  std::int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::optional<std::int64_t> time_cond_proj_dim = std::nullopt;  ///< width of the guidance embedding of LCM

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  std::size_t levels() const { return block_out_channels.size(); }
  /// Height and width of the input are best multiples of this; others work.
  std::int64_t size_multiple() const { return std::int64_t{1} << (levels() - 1); }
};

}  // namespace fmboost
