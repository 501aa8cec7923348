#include "fmboost/model/manifest.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/diffusion/sampler.h"

#include "io/json_reader.h"
#include "model/native_networks.h"
#include "nn/cfm/cfm_unet_json.h"

namespace fmboost {
namespace {

constexpr int kVersion = 1;
constexpr std::int64_t kMaxChannels = 4096;

void check_inside(const JsonReader& reader, const std::string& key, const std::string& file) {
  const std::filesystem::path path(file);
  if (file.empty() || path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end()) {
    reader.fail(key, "a path inside the bundle's folder");
  }
}

BundleFile read_file_entry(const JsonReader& reader, const std::string& file_key = "file",
                           const std::string& hash_key = "sha256") {
  BundleFile result{reader.get<std::string>(file_key), reader.get<std::string>(hash_key)};
  const bool hash_ok = result.sha256.size() == 64 &&
                       std::all_of(result.sha256.begin(), result.sha256.end(),
                                   [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hash_ok) {
    reader.fail(hash_key, "64 lower-case hexadecimal digits");
  }
  check_inside(reader, file_key, result.file);
  return result;
}

bool has_native_backend(const JsonReader& reader) {
  const auto backend = reader.get<std::string>("backend");
  if (backend != "torchscript" && backend != "native") {
    reader.fail("backend", "\"torchscript\" or \"native\"");
  }
  return backend == "native";
}

BundleFile read_torchscript_file(const JsonReader& reader) {
  if (has_native_backend(reader)) {
    reader.fail("backend", "\"torchscript\": a native autoencoder has encoder and decoder in one file");
  }
  return read_file_entry(reader);
}

TokenizerEntry read_tokenizer(const JsonReader& reader) {
  TokenizerEntry entry;
  entry.type = reader.get_enum<TokenizerType>("type");
  if (entry.type == TokenizerType::clip_bpe) {
    entry.vocab = read_file_entry(reader, "vocab", "vocab_sha256");
    entry.merges = read_file_entry(reader, "merges", "merges_sha256");
    entry.start = reader.get_or<std::int64_t>("start", entry.start);
    entry.end = reader.get_or<std::int64_t>("end", entry.end);
    entry.pad = reader.get_or<std::int64_t>("pad", entry.pad);
  } else {
    entry.words = read_file_entry(reader, "words");
    entry.pad = reader.get_or<std::int64_t>("pad", 0);
    entry.null = reader.get_or<std::int64_t>("null", entry.null);
  }
  entry.max_length = reader.get_in<std::int64_t>("max_length", 3, 4096);
  return entry;
}

NoiseScheduleOptions read_schedule(const JsonReader& reader) {
  NoiseScheduleOptions options;
  options.beta_start = reader.get_or("beta_start", options.beta_start);
  options.beta_end = reader.get_or("beta_end", options.beta_end);
  options.beta_schedule = reader.get_enum_or("beta_schedule", options.beta_schedule);
  options.train_steps = reader.get_or("train_steps", options.train_steps);
  if (reader.has("timestep_spacing")) {
    options.timestep_spacing = reader.get_enum<TimestepSpacing>("timestep_spacing");
  }
  options.steps_offset = reader.get_or("steps_offset", options.steps_offset);
  options.set_alpha_to_one = reader.get_or("set_alpha_to_one", options.set_alpha_to_one);
  options.original_steps = reader.get_or("original_steps", options.original_steps);
  options.timestep_scaling = reader.get_or("timestep_scaling", options.timestep_scaling);
  options.rescale_betas_zero_snr = reader.get_or("rescale_betas_zero_snr", options.rescale_betas_zero_snr);
  try {
    options.check();
  } catch (const UsageError& error) {
    throw ModelError(reader.where() + ": " + error.what());
  }
  return options;
}

// Inconsistent defaults would fail for every image that uses them.
void check_default_sampler(const JsonReader& reader, const DenoiserEntry& entry) {
  try {
    make_sampler({.name = entry.default_sampler,
                  .steps = entry.default_steps,
                  .karras = entry.default_karras,
                  .prediction = entry.prediction},
                 NoiseSchedule(entry.schedule));
  } catch (const UsageError& error) {
    throw ModelError(reader.where("default_sampler") + ": " + error.what());
  }
}

TextEncoderEntry read_text_encoder(const JsonReader& reader) {
  TextEncoderEntry entry{read_file_entry(reader), reader.get_in<std::int64_t>("width", 1, 65536)};
  if (has_native_backend(reader)) {
    entry.network = read_text_network(reader.object("config"));
  }
  return entry;
}

DenoiserEntry read_denoiser(const JsonReader& reader) {
  DenoiserEntry entry;
  entry.file = read_file_entry(reader);
  if (has_native_backend(reader)) {
    entry.network = read_denoiser_network(reader.object("config"));
  }
  entry.prediction = reader.get_enum<Prediction>("prediction");
  entry.schedule = read_schedule(reader.object("schedule"));
  entry.latent_channels = reader.get_in<std::int64_t>("latent_channels", 1, kMaxChannels);
  entry.native_size = reader.get_in<std::int64_t>("native_size", 8, 8192);
  entry.size_multiple = reader.get_in<std::int64_t>("size_multiple", 1, 1024);
  if (reader.has("guidance_embedding")) {
    entry.guidance_embedding = reader.get_in<std::int64_t>("guidance_embedding", 4, kMaxChannels);
  }
  entry.default_sampler = reader.get_or("default_sampler", entry.default_sampler);
  entry.default_steps = reader.get_in_or<int>("default_steps", entry.default_steps, 1, entry.schedule.train_steps);
  entry.default_guidance = reader.get_in_or<double>("default_guidance", entry.default_guidance, 0, 1000);
  entry.default_karras = reader.get_or("default_karras", false);
  check_default_sampler(reader, entry);
  return entry;
}

AutoencoderEntry read_autoencoder(const JsonReader& reader) {
  AutoencoderEntry entry;
  if (reader.has("backend") && has_native_backend(reader)) {
    entry.encoder = entry.decoder = read_file_entry(reader);
    entry.network = read_autoencoder_network(reader.object("config"));
  } else {
    entry.encoder = read_torchscript_file(reader.object("encoder"));
    entry.decoder = read_torchscript_file(reader.object("decoder"));
  }
  entry.factor = reader.get_in<std::int64_t>("factor", 1, 64);
  entry.latent_channels = reader.get_in<std::int64_t>("latent_channels", 1, kMaxChannels);
  entry.scale = reader.get_in<double>("scale", 1e-6, 1e6);
  entry.shift = reader.get_in_or<double>("shift", 0.0, -1e6, 1e6);
  return entry;
}

void read_solver(const JsonReader& reader, CouplingEntry& entry) {
  entry.solver = reader.get_or("solver", entry.solver);
  const auto& solvers = flow_solver_names();
  if (std::find(solvers.begin(), solvers.end(), entry.solver) == solvers.end()) {
    reader.fail("solver", list_choices(solvers));
  }
  entry.diffusion_form = reader.get_enum_or("diffusion_form", entry.diffusion_form);
  entry.diffusion_norm = reader.get_in_or<double>("diffusion_norm", entry.diffusion_norm, 0, 1e6);
  entry.steps = reader.get_in_or<int>("steps", entry.steps, entry.flow_solver().is_stochastic() ? 2 : 1, 1000);
}

CouplingEntry read_coupling(const JsonReader& reader) {
  CouplingEntry entry;
  entry.weights = read_file_entry(reader);
  entry.factor = reader.get_in<std::int64_t>("factor", 2, 16);
  entry.applies_to = reader.get_enum_or("applies_to", entry.applies_to);
  entry.network = read_cfm_unet_options(reader.object("network"));
  entry.path = reader.get_enum<PathKind>("path");
  entry.upsampling = reader.get_enum<Upsampling>("upsampling");
  read_solver(reader, entry);
  entry.noising_step = reader.get_in_or<int>("noising_step", entry.noising_step, -1, 999);
  if (reader.has("noising_step_max")) {
    entry.noising_step_max = reader.get_in<int>("noising_step_max", 0, 999);
  }
  entry.start_from_noise = reader.get_or("start_from_noise", false);
  entry.back_projection = reader.get_in_or<int>("back_projection", 0, 0, 16);
  if (reader.has("generated_fidelity")) {
    entry.generated_fidelity = reader.get_in<double>("generated_fidelity", 0, 1);
  }
  return entry;
}

PixelUpscalerEntry read_pixel_upscaler(const JsonReader& reader) {
  PixelUpscalerEntry entry;
  entry.weights = read_file_entry(reader);
  if (!has_native_backend(reader)) {
    reader.fail("backend", "\"native\"");
  }
  entry.network = read_pixel_upscaler_network(reader.object("config"));
  entry.applies_to = reader.get_enum_or("applies_to", entry.applies_to);
  entry.back_projection = reader.get_in_or<int>("back_projection", 0, 0, 16);
  return entry;
}

std::vector<std::string> read_examples(const JsonReader& reader) {
  std::vector<std::string> examples = reader.texts("examples");
  for (const auto& prompt : examples) {
    if (prompt.find_first_not_of(" \t") == std::string::npos || prompt.find_first_of("\r\n") != std::string::npos) {
      reader.fail("examples", "prompts of one line each, not empty");
    }
  }
  return examples;
}

void require(bool condition, const std::string& origin, const std::string& message) {
  if (!condition) {
    throw ModelError("'" + origin + "': " + message);
  }
}

void check_components_fit(const Manifest& manifest, const std::string& origin) {
  const auto& denoiser = manifest.denoiser;
  const auto& autoencoder = manifest.autoencoder;
  if (manifest.pixel_upscaler && !denoiser && !autoencoder && manifest.couplings.empty()) {
    return;  // pixels need no latents
  }
  require(denoiser.has_value() || autoencoder.has_value(), origin,
          "a bundle needs a denoiser, an autoencoder or a pixel_upscaler");
  require(denoiser.has_value() == manifest.text_encoder.has_value() &&
              denoiser.has_value() == manifest.tokenizer.has_value(),
          origin, "a bundle has tokenizer, text_encoder and denoiser together, or none of them");
  require(autoencoder.has_value(), origin, "a bundle needs an autoencoder");
  if (denoiser) {
    require(denoiser->latent_channels == autoencoder->latent_channels, origin,
            c10::str("the denoiser works on ", denoiser->latent_channels, " latent channels, the autoencoder on ",
                     autoencoder->latent_channels));
    require(denoiser->size_multiple % autoencoder->factor == 0, origin,
            "denoiser.size_multiple must be a multiple of autoencoder.factor");
  }
  for (std::size_t i = 0; i < manifest.couplings.size(); ++i) {
    const CfmUnetOptions& network = manifest.couplings[i].network;
    const auto channels = autoencoder->latent_channels;
    const bool with_context = network.in_channels == 2 * channels;
    require(network.out_channels == channels && (with_context || network.in_channels == channels), origin,
            c10::str("couplings[", i, "] maps ", network.in_channels, " channels to ", network.out_channels,
                     "; latents of ", channels, " channels need ", 2 * channels, " (or ", channels,
                     " without context) to ", channels, ": it was made for other latents"));
  }
}

// Couplings with the same file share one loaded network.
void check_shared_weights(const std::vector<CouplingEntry>& couplings, const std::string& origin) {
  for (std::size_t i = 0; i < couplings.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool same =
          couplings[i].weights.sha256 == couplings[j].weights.sha256 && couplings[i].network == couplings[j].network;
      require(couplings[i].weights.file != couplings[j].weights.file || same, origin,
              c10::str("couplings[", j, "] and couplings[", i, "] both name '", couplings[i].weights.file,
                       "', so they must give it the same sha256 and network"));
    }
  }
}

}  // namespace

std::int64_t PixelUpscalerEntry::factor() const {
  return std::visit([](const auto& options) { return options.factor(); }, network);
}

std::int64_t PixelUpscalerEntry::size_multiple() const {
  return std::visit([](const auto& options) { return options.size_multiple(); }, network);
}

std::vector<BundleFile> Manifest::files() const {
  std::vector<BundleFile> all;
  const auto add = [&all](const BundleFile& file) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const BundleFile& other) {
      return other.file == file.file && other.sha256 == file.sha256;
    });
    if (!file.file.empty() && !known) {
      all.push_back(file);
    }
  };
  if (tokenizer) {
    add(tokenizer->vocab);
    add(tokenizer->merges);
    add(tokenizer->words);
  }
  if (text_encoder) {
    add(text_encoder->file);
  }
  if (denoiser) {
    add(denoiser->file);
  }
  if (autoencoder) {
    add(autoencoder->encoder);
    add(autoencoder->decoder);
  }
  for (const auto& coupling : couplings) {
    add(coupling.weights);
  }
  if (pixel_upscaler) {
    add(pixel_upscaler->weights);
  }
  return all;
}

Manifest parse_manifest(const std::string& text, const std::string& origin) {
  const JsonReader reader = JsonReader::parse(text, origin);
  if (reader.get_or<std::string>("format", "") != "fmboost-bundle") {
    reader.fail("format", "\"fmboost-bundle\"");
  }
  const auto version = reader.get<int>("version");
  require(
      version <= kVersion, origin,
      c10::str("it has bundle version ", version, ", this program supports ", kVersion, "; a newer fmboost reads it"));
  if (version < 1) {
    reader.fail("version", "1");
  }
  Manifest manifest;
  manifest.name = reader.get<std::string>("name");
  manifest.license = reader.get_or<std::string>("license", "");
  manifest.source = reader.get_or<std::string>("source", "");
  if (reader.has("tokenizer")) {
    manifest.tokenizer = read_tokenizer(reader.object("tokenizer"));
  }
  if (reader.has("text_encoder")) {
    manifest.text_encoder = read_text_encoder(reader.object("text_encoder"));
  }
  if (reader.has("denoiser")) {
    manifest.denoiser = read_denoiser(reader.object("denoiser"));
  }
  if (reader.has("autoencoder")) {
    manifest.autoencoder = read_autoencoder(reader.object("autoencoder"));
  }
  for (const auto& coupling : reader.objects("couplings")) {
    manifest.couplings.push_back(read_coupling(coupling));
  }
  if (reader.has("pixel_upscaler")) {
    manifest.pixel_upscaler = read_pixel_upscaler(reader.object("pixel_upscaler"));
  }
  if (reader.has("upscaler")) {
    manifest.upscaler = reader.get<std::string>("upscaler");
    check_inside(reader, "upscaler", manifest.upscaler);
    require(manifest.couplings.empty() && !manifest.pixel_upscaler, origin,
            "a bundle with 'upscaler' has no couplings and no pixel_upscaler of its own: move them to the bundle that "
            "it names");
  }
  manifest.examples = read_examples(reader);
  check_components_fit(manifest, origin);
  check_networks_fit(manifest, origin);
  check_shared_weights(manifest.couplings, origin);
  return manifest;
}

}  // namespace fmboost
