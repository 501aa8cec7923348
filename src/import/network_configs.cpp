#include "import/network_configs.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

using nlohmann::json;

class Shapes {
 public:
  Shapes(const Weights& tensors, std::string origin) : tensors_(tensors), origin_(std::move(origin)) {}

  bool has(const std::string& name) const { return tensors_.contains(name); }
  bool has_module(const std::string& name) const {
    const auto found = tensors_.lower_bound(name + ".");
    return found != tensors_.end() && found->first.starts_with(name + ".");
  }
  // The number of modules named `list`.0, `list`.1, ...
  std::int64_t count(const std::string& list) const {
    std::int64_t found = 0;
    while (has_module(list + "." + std::to_string(found))) {
      ++found;
    }
    return found;
  }
  const std::vector<std::int64_t>& shape(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw ModelError("'" + origin_ + "' lacks the tensor '" + name + "', which determines the size of the network");
    }
    return found->second.shape;
  }
  std::int64_t size(const std::string& name, std::size_t dimension) const {
    const auto& sides = shape(name);
    if (dimension >= sides.size()) {
      throw ModelError("'" + origin_ + "': the tensor '" + name + "' has " + std::to_string(sides.size()) +
                       " dimensions, expected at least " + std::to_string(dimension + 1));
    }
    return sides[dimension];
  }

 private:
  const Weights& tensors_;
  std::string origin_;
};

std::string block(const std::string& side, std::int64_t i) {
  return side + "_blocks." + std::to_string(i);
}

json unet_types(const Shapes& shapes, const std::string& side, const std::string& kind) {
  json types = json::array();
  for (std::int64_t i = 0; i < shapes.count(side + "_blocks"); ++i) {
    const bool attends = shapes.has_module(block(side, i) + ".attentions.0");
    types.push_back((attends ? "CrossAttn" : "") + kind);
  }
  return types;
}

// The first attention, which has the same options as all others.
std::string first_attention(const Shapes& shapes) {
  for (std::int64_t i = 0; i < shapes.count("down_blocks"); ++i) {
    if (shapes.has_module(block("down", i) + ".attentions.0")) {
      return block("down", i) + ".attentions.0";
    }
  }
  return "mid_block.attentions.0";
}

json heads(const std::vector<std::int64_t>& channels, bool linear) {
  if (!linear) {
    return 8;
  }
  json result = json::array();
  for (const auto count : channels) {
    result.push_back(std::max<std::int64_t>(count / 64, 1));
  }
  return result;
}

// Blocks per level of one half, which is a sequence of convolutions with blocks in between: a convolution without bias
// changes the level, the last one has a bias. Layers without tensors (activations, upsampling) do not appear.
std::vector<std::int64_t> tiny_levels(const Weights& tensors, const Shapes& shapes, const std::string& half) {
  std::set<std::int64_t> indices;
  for (auto at = tensors.lower_bound(half); at != tensors.end() && at->first.starts_with(half); ++at) {
    indices.insert(std::atoll(at->first.c_str() + half.size()));
  }
  indices.erase(0);
  std::vector<std::int64_t> levels = {0};
  for (const auto i : indices) {
    const std::string layer = half + std::to_string(i);
    if (shapes.has_module(layer + ".conv")) {
      ++levels.back();
    } else if (shapes.has(layer + ".weight") && !shapes.has(layer + ".bias")) {
      levels.push_back(0);
    }
  }
  return levels;
}

}  // namespace

json unet_config(const Weights& tensors, const std::string& origin) {
  const Shapes shapes(tensors, origin);
  std::vector<std::int64_t> channels;
  for (std::int64_t i = 0; i < shapes.count("down_blocks"); ++i) {
    channels.push_back(shapes.size(block("down", i) + ".resnets.0.conv1.weight", 0));
  }
  const std::string attention = first_attention(shapes);
  const bool linear = shapes.shape(attention + ".proj_in.weight").size() == 2;
  const std::string guidance = "time_embedding.cond_proj.weight";
  return {{"_class_name", "UNet2DConditionModel"},
          {"act_fn", "silu"},
          // In diffusers this is the number of heads.
          {"attention_head_dim", heads(channels, linear)},
          {"block_out_channels", channels},
          {"cross_attention_dim", shapes.size(attention + ".transformer_blocks.0.attn2.to_k.weight", 1)},
          {"down_block_types", unet_types(shapes, "down", "DownBlock2D")},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"in_channels", shapes.size("conv_in.weight", 1)},
          {"layers_per_block", shapes.count(block("down", 0) + ".resnets")},
          {"norm_eps", 1e-5},
          {"norm_num_groups", 32},
          {"out_channels", shapes.size("conv_out.weight", 0)},
          {"time_cond_proj_dim", shapes.has(guidance) ? json(shapes.size(guidance, 1)) : json()},
          {"transformer_layers_per_block", shapes.count(attention + ".transformer_blocks")},
          {"up_block_types", unet_types(shapes, "up", "UpBlock2D")},
          {"use_linear_projection", linear}};
}

json autoencoder_config(const Weights& tensors, const std::string& origin) {
  const Shapes shapes(tensors, origin);
  std::vector<std::int64_t> channels;
  for (std::int64_t i = 0; i < shapes.count("encoder.down_blocks"); ++i) {
    channels.push_back(shapes.size("encoder." + block("down", i) + ".resnets.0.conv1.weight", 0));
  }
  return {{"_class_name", "AutoencoderKL"},
          {"act_fn", "silu"},
          {"block_out_channels", channels},
          {"down_block_types", std::vector<std::string>(channels.size(), "DownEncoderBlock2D")},
          {"in_channels", shapes.size("encoder.conv_in.weight", 1)},
          {"latent_channels", shapes.size("decoder.conv_in.weight", 1)},
          {"layers_per_block", shapes.count("encoder." + block("down", 0) + ".resnets")},
          {"mid_block_add_attention", shapes.has_module("encoder.mid_block.attentions.0")},
          {"norm_num_groups", 32},
          {"out_channels", shapes.size("decoder.conv_out.weight", 0)},
          {"scaling_factor", 0.18215},
          {"up_block_types", std::vector<std::string>(channels.size(), "UpDecoderBlock2D")},
          {"use_post_quant_conv", shapes.has_module("post_quant_conv")},
          {"use_quant_conv", shapes.has_module("quant_conv")}};
}

json tiny_autoencoder_config(const Weights& tensors, const std::string& origin) {
  const Shapes shapes(tensors, origin);
  const auto encoder = tiny_levels(tensors, shapes, "encoder.layers.");
  const auto decoder = tiny_levels(tensors, shapes, "decoder.layers.");
  const std::int64_t channels = shapes.size("encoder.layers.0.weight", 0);
  return {{"_class_name", "AutoencoderTiny"},
          {"act_fn", "relu"},
          {"decoder_block_out_channels", std::vector(decoder.size(), channels)},
          {"encoder_block_out_channels", std::vector(encoder.size(), channels)},
          {"in_channels", shapes.size("encoder.layers.0.weight", 1)},
          {"latent_channels", shapes.size("decoder.layers.0.weight", 1)},
          {"num_decoder_blocks", decoder},
          {"num_encoder_blocks", encoder},
          {"out_channels", 3},
          {"scaling_factor", 1.0},
          {"upsampling_scaling_factor", 2}};
}

json text_config(const Weights& tensors, const std::string& origin, const std::string& activation) {
  const Shapes shapes(tensors, origin);
  const std::string tokens = "text_model.embeddings.token_embedding.weight";
  const std::int64_t width = shapes.size(tokens, 1);
  return {{"hidden_act", activation},
          {"hidden_size", width},
          {"intermediate_size", shapes.size("text_model.encoder.layers.0.mlp.fc1.weight", 0)},
          {"layer_norm_eps", 1e-5},
          {"max_position_embeddings", shapes.size("text_model.embeddings.position_embedding.weight", 0)},
          {"model_type", "clip_text_model"},
          {"num_attention_heads", std::max<std::int64_t>(width / 64, 1)},
          {"num_hidden_layers", shapes.count("text_model.encoder.layers")},
          {"vocab_size", shapes.size(tokens, 0)}};
}

}  // namespace fmboost
