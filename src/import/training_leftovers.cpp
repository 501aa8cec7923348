#include <algorithm>
#include <set>

#include "import/imported_model.h"

namespace fmboost {
namespace {

using nlohmann::json;

// The parameters of the classes in diffusers 0.42.
const std::set<std::string>& parameters_of(const std::string& name) {
  static const std::set<std::string> kUnet = {"act_fn",
                                              "addition_embed_type",
                                              "addition_embed_type_num_heads",
                                              "addition_time_embed_dim",
                                              "attention_head_dim",
                                              "attention_type",
                                              "block_out_channels",
                                              "center_input_sample",
                                              "class_embed_type",
                                              "class_embeddings_concat",
                                              "conv_in_kernel",
                                              "conv_out_kernel",
                                              "cross_attention_dim",
                                              "cross_attention_norm",
                                              "down_block_types",
                                              "downsample_padding",
                                              "dropout",
                                              "dual_cross_attention",
                                              "encoder_hid_dim",
                                              "encoder_hid_dim_type",
                                              "flip_sin_to_cos",
                                              "freq_shift",
                                              "in_channels",
                                              "layers_per_block",
                                              "mid_block_only_cross_attention",
                                              "mid_block_scale_factor",
                                              "mid_block_type",
                                              "norm_eps",
                                              "norm_num_groups",
                                              "num_attention_heads",
                                              "num_class_embeds",
                                              "only_cross_attention",
                                              "out_channels",
                                              "projection_class_embeddings_input_dim",
                                              "resnet_out_scale_factor",
                                              "resnet_skip_time_act",
                                              "resnet_time_scale_shift",
                                              "reverse_transformer_layers_per_block",
                                              "sample_size",
                                              "time_cond_proj_dim",
                                              "time_embedding_act_fn",
                                              "time_embedding_dim",
                                              "time_embedding_type",
                                              "timestep_post_act",
                                              "transformer_layers_per_block",
                                              "up_block_types",
                                              "upcast_attention",
                                              "use_linear_projection"};
  static const std::set<std::string> kAutoencoder = {
      "act_fn",          "block_out_channels",  "down_block_types", "force_upcast",     "in_channels",
      "latent_channels", "latents_mean",        "latents_std",      "layers_per_block", "mid_block_add_attention",
      "norm_num_groups", "out_channels",        "sample_size",      "scaling_factor",   "shift_factor",
      "up_block_types",  "use_post_quant_conv", "use_quant_conv"};
  static const std::set<std::string> kTiny = {"act_fn",
                                              "block_out_channels",
                                              "decoder_block_out_channels",
                                              "encoder_block_out_channels",
                                              "force_upcast",
                                              "in_channels",
                                              "latent_channels",
                                              "latent_magnitude",
                                              "latent_shift",
                                              "num_decoder_blocks",
                                              "num_encoder_blocks",
                                              "out_channels",
                                              "scaling_factor",
                                              "shift_factor",
                                              "upsample_fn",
                                              "upsampling_scaling_factor"};
  static const std::set<std::string> kNone;
  return name == "UNet2DConditionModel" ? kUnet
         : name == "AutoencoderKL"      ? kAutoencoder
         : name == "AutoencoderTiny"    ? kTiny
                                        : kNone;
}

void take(Weights& text, std::initializer_list<const char*> names, const std::string& reason, ImportedModel& model) {
  UnusedTensors taken{reason, {}};
  for (const char* name : names) {
    if (text.erase(name) > 0) {
      taken.names.emplace_back(name);
    }
  }
  if (!taken.names.empty()) {
    model.unused.push_back(std::move(taken));
  }
}

}  // namespace

void take_unused_text(ImportedModel& model) {
  Weights& text = model.text_encoder.weights;
  take(text, {"text_model.embeddings.position_ids"}, "position ids, which are not needed", model);
  take(text, {"text_model.text_projection.weight", "text_model.text_projection", "text_model.logit_scale"},
       "the text projection and its scale, which only Stable Diffusion XL uses", model);
}

void drop_foreign_settings(json& config, const std::string& origin, std::vector<std::string>& notices) {
  if (!config.is_object()) {
    return;
  }
  const json name = config.value("_class_name", json(""));
  const auto& known = parameters_of(name.is_string() ? name.get<std::string>() : "");
  if (known.empty()) {
    return;
  }
  std::vector<std::string> dropped;
  for (auto at = config.begin(); at != config.end();) {
    if (at.key().starts_with("_") || known.contains(at.key())) {
      ++at;
    } else {
      dropped.push_back(at.key());
      at = config.erase(at);
    }
  }
  if (!dropped.empty()) {
    notices.push_back("'" + origin + "': settings that are not of the network (of EMA or training, for instance) are " +
                      "ignored: " + first_few(dropped, 20));
  }
}

}  // namespace fmboost
