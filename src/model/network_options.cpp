#include "model/network_options.h"

#include <algorithm>
#include <set>

namespace fmboost {
namespace {

using nlohmann::json;

// Reads fields and records their names, to refuse the remaining ones at the end.
class ConfigReader {
 public:
  explicit ConfigReader(const JsonReader& reader) : reader_(reader) {}

  template <typename T>
  void read(const char* key, T& value) {
    known_.insert(key);
    value = reader_.get<T>(key);
  }
  // A field that may be missing.
  template <typename T>
  void read_optional(const char* key, T& value) {
    known_.insert(key);
    value = reader_.get_or<T>(key, value);
  }
  void read_list(const char* key, std::vector<std::int64_t>& value) {
    known_.insert(key);
    value = reader_.whole_numbers(key);
  }
  void read_list(const char* key, std::vector<std::string>& value) {
    known_.insert(key);
    value = reader_.texts(key);
  }
  // One number for all levels, or a list with one number per level.
  void read_levels(const char* key, std::vector<std::int64_t>& value, std::size_t levels) {
    known_.insert(key);
    value = reader_.value().contains(key) && reader_.value().at(key).is_array()
                ? reader_.whole_numbers(key)
                : std::vector<std::int64_t>(levels, reader_.get<std::int64_t>(key));
  }
  // A field with a single supported value; null if it must be missing.
  void fixed(const char* key, const json& value) {
    known_.insert(key);
    if (reader_.has(key) && reader_.value().at(key) != value) {
      reader_.fail(key, value.is_null() ? "nothing: such a network is not supported" : value.dump());
    }
  }
  void ignore(std::initializer_list<const char*> keys) { known_.insert(keys.begin(), keys.end()); }

  // Keys that begin with an underscore describe the writer of the file.
  void refuse_others() const {
    for (const auto& [key, value] : reader_.value().items()) {
      if (!known_.contains(key) && !key.starts_with("_") && !value.is_null()) {
        reader_.fail(key, "no such option: this version does not support it");
      }
    }
  }

 private:
  const JsonReader& reader_;
  std::set<std::string> known_;
};

template <typename Options>
Options checked(Options options, const JsonReader& config) {
  try {
    options.check();
  } catch (const ModelError& error) {
    throw ModelError(config.where() + ": " + error.what());
  }
  return options;
}

// The value of a list of equal numbers.
std::int64_t single_value(const JsonReader& config, const char* key) {
  const auto values = config.whole_numbers(key);
  if (values.empty() || std::count(values.begin(), values.end(), values.front()) != std::ssize(values)) {
    config.fail(key, "a list of equal numbers");
  }
  return values.front();
}

// All levels of an autoencoder have the same type.
void require_block_types(const JsonReader& config, const char* key, const char* type) {
  for (const auto& found : config.texts(key)) {
    if (found != type) {
      config.fail(key, std::string("a list of ") + type);
    }
  }
}

void fix_unet_fields(ConfigReader& reader) {
  const std::pair<const char*, json> fields[] = {{"act_fn", "silu"},
                                                 {"attention_type", "default"},
                                                 {"center_input_sample", false},
                                                 {"class_embeddings_concat", false},
                                                 {"conv_in_kernel", 3},
                                                 {"conv_out_kernel", 3},
                                                 {"downsample_padding", 1},
                                                 {"dual_cross_attention", false},
                                                 {"flip_sin_to_cos", true},
                                                 {"freq_shift", 0},
                                                 {"mid_block_only_cross_attention", false},
                                                 {"mid_block_scale_factor", 1},
                                                 {"only_cross_attention", false},
                                                 {"resnet_out_scale_factor", 1},
                                                 {"resnet_skip_time_act", false},
                                                 {"resnet_time_scale_shift", "default"},
                                                 {"time_embedding_type", "positional"}};
  for (const auto& [key, value] : fields) {
    reader.fixed(key, value);
  }
  for (const char* key :
       {"addition_embed_type", "addition_time_embed_dim", "class_embed_type", "cross_attention_norm", "encoder_hid_dim",
        "encoder_hid_dim_type", "num_attention_heads", "num_class_embeds", "projection_class_embeddings_input_dim",
        "reverse_transformer_layers_per_block", "time_embedding_act_fn", "time_embedding_dim", "timestep_post_act"}) {
    reader.fixed(key, nullptr);
  }
  reader.ignore({"addition_embed_type_num_heads", "dropout", "sample_size", "upcast_attention"});
}

}  // namespace

// Configurations of transformers contain many fields that do not affect the network: other fields are ignored.
ClipTextOptions read_clip_text_options(const JsonReader& config) {
  ConfigReader reader(config);
  ClipTextOptions options;
  reader.read("vocab_size", options.vocab_size);
  reader.read("hidden_size", options.hidden_size);
  reader.read("intermediate_size", options.intermediate_size);
  reader.read("num_hidden_layers", options.num_hidden_layers);
  reader.read("num_attention_heads", options.num_attention_heads);
  reader.read("max_position_embeddings", options.max_position_embeddings);
  reader.read("hidden_act", options.hidden_act);
  reader.read_optional("layer_norm_eps", options.layer_norm_eps);
  reader.read_optional("clip_skip", options.clip_skip);
  return checked(options, config);
}

UnetOptions read_unet_options(const JsonReader& config) {
  ConfigReader reader(config);
  UnetOptions options;
  reader.read("in_channels", options.in_channels);
  reader.read("out_channels", options.out_channels);
  reader.read_list("block_out_channels", options.block_out_channels);
  reader.read_list("down_block_types", options.down_block_types);
  reader.read_list("up_block_types", options.up_block_types);
  reader.read_levels("layers_per_block", options.layers_per_block, options.levels());
  options.transformer_layers_per_block.assign(options.levels(), 1);
  if (config.has("transformer_layers_per_block")) {
    reader.read_levels("transformer_layers_per_block", options.transformer_layers_per_block, options.levels());
  }
  reader.read_levels("attention_head_dim", options.attention_head_dim, options.levels());
  reader.read("cross_attention_dim", options.cross_attention_dim);
  reader.read_optional("use_linear_projection", options.use_linear_projection);
  reader.read_optional("norm_num_groups", options.norm_num_groups);
  reader.read_optional("norm_eps", options.norm_eps);
  reader.fixed("mid_block_type", "UNetMidBlock2DCrossAttn");
  options.mid_block = !config.value().contains("mid_block_type") || config.has("mid_block_type");
  if (std::int64_t guidance = 0; config.has("time_cond_proj_dim")) {
    reader.read("time_cond_proj_dim", guidance);
    options.time_cond_proj_dim = guidance;
  }
  fix_unet_fields(reader);
  reader.refuse_others();
  return checked(options, config);
}

AutoencoderKlOptions read_autoencoder_kl_options(const JsonReader& config) {
  ConfigReader reader(config);
  AutoencoderKlOptions options;
  reader.read("in_channels", options.in_channels);
  reader.read("out_channels", options.out_channels);
  reader.read_list("block_out_channels", options.block_out_channels);
  reader.read("layers_per_block", options.layers_per_block);
  reader.read("latent_channels", options.latent_channels);
  reader.read_optional("norm_num_groups", options.norm_num_groups);
  reader.read_optional("use_quant_conv", options.use_quant_conv);
  reader.read_optional("use_post_quant_conv", options.use_post_quant_conv);
  reader.read_optional("mid_block_add_attention", options.mid_block_add_attention);
  require_block_types(config, "down_block_types", "DownEncoderBlock2D");
  require_block_types(config, "up_block_types", "UpDecoderBlock2D");
  reader.fixed("act_fn", "silu");
  reader.fixed("latents_mean", nullptr);
  reader.fixed("latents_std", nullptr);
  reader.ignore(
      {"down_block_types", "up_block_types", "force_upcast", "sample_size", "scaling_factor", "shift_factor"});
  reader.refuse_others();
  return checked(options, config);
}

AutoencoderTinyOptions read_autoencoder_tiny_options(const JsonReader& config) {
  ConfigReader reader(config);
  AutoencoderTinyOptions options;
  reader.read("in_channels", options.in_channels);
  reader.read("out_channels", options.out_channels);
  reader.read("latent_channels", options.latent_channels);
  reader.read_list("num_encoder_blocks", options.num_encoder_blocks);
  reader.read_list("num_decoder_blocks", options.num_decoder_blocks);
  options.channels = single_value(config, "encoder_block_out_channels");
  if (single_value(config, "decoder_block_out_channels") != options.channels) {
    config.fail("decoder_block_out_channels", "the value of encoder_block_out_channels");
  }
  reader.fixed("act_fn", "relu");
  reader.fixed("upsample_fn", "nearest");
  reader.fixed("upsampling_scaling_factor", 2);
  reader.ignore({"encoder_block_out_channels", "decoder_block_out_channels", "block_out_channels", "force_upcast",
                 "latent_magnitude", "latent_shift", "scaling_factor", "shift_factor"});
  reader.refuse_others();
  return checked(options, config);
}

ConvAutoencoderOptions read_conv_autoencoder_options(const JsonReader& config) {
  ConfigReader reader(config);
  ConvAutoencoderOptions options;
  reader.read("latent_channels", options.latent_channels);
  reader.read("encoder_channels", options.encoder_channels);
  reader.read("encoder_blocks", options.encoder_blocks);
  reader.read("decoder_channels", options.decoder_channels);
  reader.read("decoder_blocks", options.decoder_blocks);
  reader.read("fine_channels", options.fine_channels);
  reader.read("fine_blocks", options.fine_blocks);
  reader.refuse_others();
  return checked(options, config);
}

RrdbNetOptions read_rrdb_net_options(const JsonReader& config) {
  ConfigReader reader(config);
  RrdbNetOptions options;
  reader.read("channels", options.channels);
  reader.read("features", options.features);
  reader.read("growth", options.growth);
  reader.read("blocks", options.blocks);
  reader.read("pixel_unshuffle", options.pixel_unshuffle);
  reader.read("upsamplings", options.upsamplings);
  reader.refuse_others();
  return checked(options, config);
}

SrvggNetOptions read_srvgg_net_options(const JsonReader& config) {
  ConfigReader reader(config);
  SrvggNetOptions options;
  reader.read("channels", options.channels);
  reader.read("features", options.features);
  reader.read("convolutions", options.convolutions);
  reader.read("scale", options.scale);
  reader.refuse_others();
  return checked(options, config);
}

WordTransformerOptions read_word_transformer_options(const JsonReader& config) {
  ConfigReader reader(config);
  WordTransformerOptions options;
  reader.read("words", options.words);
  reader.read("length", options.length);
  reader.read("width", options.width);
  reader.read("layers", options.layers);
  reader.read("heads", options.heads);
  reader.refuse_others();
  return checked(options, config);
}

PatchUnetOptions read_patch_unet_options(const JsonReader& config) {
  ConfigReader reader(config);
  PatchUnetOptions options;
  reader.read("latent_channels", options.latent_channels);
  reader.read_list("widths", options.widths);
  reader.read_list("down", options.down);
  reader.read_list("up", options.up);
  reader.read("text_width", options.text_width);
  reader.read("heads", options.heads);
  reader.read_optional("fine_channels", options.fine_channels);
  reader.read_optional("fine_blocks", options.fine_blocks);
  reader.refuse_others();
  return checked(options, config);
}

}  // namespace fmboost
