#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace fmboost {

/// The published CFM UNet's options, under its names (https://github.com/CompVis/fm-upscaling).
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
  std::int64_t pool_factor = -1;  ///< greater than 1: the network works on pooled latent pixels

  /// Throws ModelError naming the field that is out of range.
  void check() const;
  /// Height and width of the input must be multiples of this.
  std::int64_t size_multiple() const;
};

/// Numbers that the network holds at one time for each latent pixel of its input, about, from the sizes of its layers: with the
/// whole image worked on at once, or in strips (beside the strips themselves).
double peak_activations_per_latent_pixel(const CfmUnetOptions& options, bool strips);

/// Reads the fields above, those missing keep their defaults; an unknown field or a wrong type throws ModelError.
CfmUnetOptions cfm_unet_options_from_json(const nlohmann::json& json);
nlohmann::json to_json(const CfmUnetOptions& options);

}  // namespace fmboost
