#include "model/native_networks.h"

#include <algorithm>

#include "model/network_options.h"

namespace fmboost {
namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // needed by clang 14

class Fit {
 public:
  explicit Fit(std::string origin) : origin_(std::move(origin)) {}

  void equal(const std::string& field, std::int64_t said, const std::string& option, std::int64_t network) const {
    if (said != network) {
      fail(field, said, option, network);
    }
  }
  void at_most(const std::string& field, std::int64_t said, const std::string& option, std::int64_t network) const {
    if (said > network) {
      fail(field, said, option, network);
    }
  }
  void multiple(const std::string& field, std::int64_t said, std::int64_t of) const {
    if (said % of != 0) {
      throw ModelError(c10::str("'", origin_, "': ", field, " is ", said, ": the network needs a multiple of ", of));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& field, std::int64_t said, const std::string& option,
                         std::int64_t network) const {
    throw ModelError(c10::str("'", origin_, "': ", field, " is ", said, ", but ", option, " is ", network));
  }

  std::string origin_;
};

void check_text(const Fit& fit, const Manifest& manifest, const ClipTextOptions& clip) {
  const std::string config = "text_encoder.config.";
  const TokenizerEntry& tokenizer = *manifest.tokenizer;
  fit.equal("text_encoder.width", manifest.text_encoder->width, config + "hidden_size", clip.hidden_size);
  fit.at_most("tokenizer.max_length", tokenizer.max_length, config + "max_position_embeddings",
              clip.max_position_embeddings);
  if (tokenizer.type == TokenizerType::clip_bpe) {
    const std::int64_t largest = std::max({tokenizer.start, tokenizer.end, tokenizer.pad});
    fit.at_most("the tokenizer's largest id", largest, config + "vocab_size - 1", clip.vocab_size - 1);
  }
}

void check_text(const Fit& fit, const Manifest& manifest, const WordTransformerOptions& options) {
  fit.equal("text_encoder.width", manifest.text_encoder->width, "text_encoder.config.width", options.width);
  fit.at_most("tokenizer.max_length", manifest.tokenizer->max_length, "text_encoder.config.length", options.length);
}

void check_denoiser(const Fit& fit, const Manifest& manifest, const UnetOptions& unet) {
  const DenoiserEntry& entry = *manifest.denoiser;
  const std::string config = "denoiser.config.";
  fit.equal("denoiser.latent_channels", entry.latent_channels, config + "in_channels", unet.in_channels);
  fit.equal("denoiser.latent_channels", entry.latent_channels, config + "out_channels", unet.out_channels);
  fit.equal("text_encoder.width", manifest.text_encoder->width, config + "cross_attention_dim",
            unet.cross_attention_dim);
  fit.equal("denoiser.guidance_embedding (0: null)", entry.guidance_embedding.value_or(0),
            config + "time_cond_proj_dim", unet.time_cond_proj_dim.value_or(0));
}

void check_denoiser(const Fit& fit, const Manifest& manifest, const PatchUnetOptions& unet) {
  const DenoiserEntry& entry = *manifest.denoiser;
  const std::string config = "denoiser.config.";
  fit.equal("denoiser.latent_channels", entry.latent_channels, config + "latent_channels", unet.latent_channels);
  fit.equal("text_encoder.width", manifest.text_encoder->width, config + "text_width", unet.text_width);
  fit.equal("denoiser.guidance_embedding (0: null)", entry.guidance_embedding.value_or(0), "that of PatchUnet", 0);
  fit.multiple("denoiser.size_multiple", entry.size_multiple, unet.size_multiple() * manifest.autoencoder->factor);
}

void check_autoencoder(const Fit& fit, const AutoencoderEntry& entry, const ConvAutoencoderOptions& options) {
  fit.equal("autoencoder.latent_channels", entry.latent_channels, "autoencoder.config.latent_channels",
            options.latent_channels);
  fit.equal("autoencoder.factor", entry.factor, "that of autoencoder.config", options.factor());
}

template <typename Options>
void check_autoencoder(const Fit& fit, const AutoencoderEntry& entry, const Options& options) {
  const std::string config = "autoencoder.config.";
  fit.equal("the number of colors", 3, config + "in_channels", options.in_channels);
  fit.equal("the number of colors", 3, config + "out_channels", options.out_channels);
  fit.equal("autoencoder.latent_channels", entry.latent_channels, config + "latent_channels", options.latent_channels);
  fit.equal("autoencoder.factor", entry.factor, "that of autoencoder.config", options.factor());
}

}  // namespace

decltype(TextEncoderEntry::network) read_text_network(const JsonReader& config) {
  if (config.has("_class_name")) {
    if (config.get<std::string>("_class_name") == "WordTransformer") {
      return read_word_transformer_options(config);
    }
    config.fail("_class_name", "\"WordTransformer\", or none and a model_type");
  }
  // transformers and diffusers store the class under different names.
  if (config.get<std::string>("model_type") != "clip_text_model") {
    config.fail("model_type", "\"clip_text_model\"");
  }
  return read_clip_text_options(config);
}

decltype(DenoiserEntry::network) read_denoiser_network(const JsonReader& config) {
  const auto kind = config.get<std::string>("_class_name");
  if (kind == "UNet2DConditionModel") {
    return read_unet_options(config);
  }
  if (kind == "PatchUnet") {
    return read_patch_unet_options(config);
  }
  config.fail("_class_name", "\"UNet2DConditionModel\" or \"PatchUnet\"");
}

decltype(AutoencoderEntry::network) read_autoencoder_network(const JsonReader& config) {
  const auto kind = config.get<std::string>("_class_name");
  if (kind == "AutoencoderKL") {
    return read_autoencoder_kl_options(config);
  }
  if (kind == "AutoencoderTiny") {
    return read_autoencoder_tiny_options(config);
  }
  if (kind == "ConvAutoencoder") {
    return read_conv_autoencoder_options(config);
  }
  config.fail("_class_name", "\"AutoencoderKL\", \"AutoencoderTiny\" or \"ConvAutoencoder\"");
}

decltype(PixelUpscalerEntry::network) read_pixel_upscaler_network(const JsonReader& config) {
  const auto kind = config.get<std::string>("_class_name");
  if (kind == "RRDBNet") {
    return read_rrdb_net_options(config);
  }
  if (kind == "SRVGGNetCompact") {
    return read_srvgg_net_options(config);
  }
  config.fail("_class_name", "\"RRDBNet\" or \"SRVGGNetCompact\"");
}

void check_networks_fit(const Manifest& manifest, const std::string& origin) {
  const Fit fit(origin);
  const auto ignore = [](const TorchScriptNetwork&) {};
  if (manifest.denoiser) {
    std::visit(Overloaded{ignore, [&](const auto& options) { check_text(fit, manifest, options); }},
               manifest.text_encoder->network);
    std::visit(Overloaded{ignore, [&](const auto& options) { check_denoiser(fit, manifest, options); }},
               manifest.denoiser->network);
  }
  if (manifest.autoencoder) {
    std::visit(Overloaded{ignore, [&](const auto& options) { check_autoencoder(fit, *manifest.autoencoder, options); }},
               manifest.autoencoder->network);
  }
  if (manifest.pixel_upscaler) {
    const auto channels = std::visit([](const auto& options) { return options.channels; }, manifest.pixel_upscaler->network);
    fit.equal("the number of colors", 3, "pixel_upscaler.config.channels", channels);
  }
}

}  // namespace fmboost
