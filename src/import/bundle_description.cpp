#include "import/bundle_description.h"

#include <algorithm>

#include "import/sampling.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Placeholder of a hash until the file is written.
const std::string kNoHash(64, '0');

// The length of a list, or 0.
std::int64_t levels(const json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_array() ? std::ssize(*found) : 0;
}

std::int64_t factor_of(const json& autoencoder) {
  const std::int64_t count =
      std::max(levels(autoencoder, "num_encoder_blocks"), levels(autoencoder, "block_out_channels"));
  return std::int64_t{1} << std::clamp<std::int64_t>(count - 1, 0, 6);
}

json native_component(const char* file, json config) {
  // Leave out the author and path of the configuration, for privacy.
  for (auto at = config.begin(); at != config.end();) {
    at = at.key().starts_with("_") && at.key() != "_class_name" ? config.erase(at) : std::next(at);
  }
  return {{"backend", "native"}, {"file", file}, {"sha256", kNoHash}, {"config", config}};
}

json denoiser_entry(ImportedModel& model, const ImportOptions& options) {
  const json& config = model.unet.config;
  const std::int64_t factor = factor_of(model.autoencoder.config);
  const json guidance = config.value("time_cond_proj_dim", json());
  json entry = native_component(kUnetFile, config);
  entry.update(
      sampling_fields(model.scheduler, model.scheduler_origin, !guidance.is_null(), options.sampling, model.notices));
  entry["latent_channels"] = config.value("in_channels", json(4));
  entry["native_size"] = options.native_size.value_or(model.native_latent_pixels * factor);
  // The UNet takes latents of any size: its up path follows the sizes of its down path.
  entry["size_multiple"] = factor;
  entry["guidance_embedding"] = guidance;
  return entry;
}

json autoencoder_entry(const json& config) {
  const bool tiny = config.value("_class_name", json()) == "AutoencoderTiny";
  json entry = native_component(kAutoencoderFile, config);
  entry["factor"] = factor_of(config);
  entry["latent_channels"] = config.value("latent_channels", json(4));
  entry["scale"] = config.value("scaling_factor", json(tiny ? 1.0 : 0.18215));
  const json shift = config.value("shift_factor", json());
  entry["shift"] = shift.is_null() ? json(0.0) : shift;
  return entry;
}

// Names, not paths: bundles are passed on.
std::string source_text(const ImportOptions& options) {
  std::string text = "imported from " + fs::canonical(options.source).filename().string();
  for (const auto& lora : options.loras) {
    text += ", with the LoRA " + lora.file.filename().string() + " at " + json(lora.weight).dump();
  }
  text += options.vae.empty() ? "" : ", autoencoder from " + options.vae.filename().string();
  return text + (options.cfm.empty() ? "" : ", coupling from " + options.cfm.filename().string());
}

}  // namespace

json describe_bundle(ImportedModel& model, const ImportOptions& options) {
  json text = model.text_encoder.config;
  if (options.clip_skip) {
    text["clip_skip"] = *options.clip_skip - 1;  // a configuration counts the omitted layers
  }
  json manifest = {{"format", "fmboost-bundle"},
                   {"version", 1},
                   {"name", options.name.empty() ? model.name : options.name},
                   {"license", options.license},
                   {"source", source_text(options)},
                   {"text_encoder", native_component(kTextFile, text)},
                   {"denoiser", denoiser_entry(model, options)},
                   {"autoencoder", autoencoder_entry(model.autoencoder.config)},
                   {"couplings", json::array()}};
  // If the configuration lacks them, its own check reports that.
  manifest["text_encoder"]["width"] = text.value("hidden_size", json(1));
  const auto& length = model.tokenizer.max_length;
  manifest["tokenizer"]["max_length"] = length ? json(*length) : text.value("max_position_embeddings", json(77));
  return manifest;
}

}  // namespace fmboost
