#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fmboost {

/// Options of the published CFM UNet, under its names (https://github.com/CompVis/fm-upscaling).
struct CfmUnetOptions {
  std::int64_t in_channels = 8;  ///< of x_t and the context together
  std::int64_t model_channels = 128;
  std::int64_t out_channels = 4;
  std::int64_t num_res_blocks = 3;
  std::vector<std::int64_t> attention_resolutions = {8, 16};  ///< downsampling factors with attention
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
  bool operator==(const CfmUnetOptions&) const = default;
};

/// Reads a JSON object with the names of the fields; missing ones keep their defaults. `origin` names the text in
/// messages. Throws ModelError naming the field for an unknown field, a wrong type or a value out of range.
CfmUnetOptions parse_cfm_unet_options(const std::string& text, const std::string& origin);
/// The inverse, with all fields.
std::string to_json_text(const CfmUnetOptions& options);

/// Estimated peak number of activations held per latent pixel of the input, from the sizes of the layers: for the whole
/// image at once, or with `strips` (not counting the strips themselves).
double peak_activations_per_latent_pixel(const CfmUnetOptions& options, bool strips);

}  // namespace fmboost
