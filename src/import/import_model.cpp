#include "fmboost/import/import_model.h"

#include <algorithm>
#include <set>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/diffusion/noise_schedule.h"
#include "fmboost/io/files.h"
#include "fmboost/model/manifest.h"

#include "import/bundle_description.h"
#include "import/coupling_file.h"
#include "import/imported_model.h"
#include "import/lora/lora.h"
#include "import/network_check.h"
#include "import/pixel_upscaler_file.h"
#include "io/safetensors_writer.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Names of files may have any bytes; those that are not UTF-8 are replaced in the bundle.
std::string as_text(const json& manifest, int indent) {
  return manifest.dump(indent, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

void check_tokenizer(const Manifest& manifest, const ImportedModel& model) {
  const auto tokens = std::get<ClipTextOptions>(manifest.text_encoder->network).vocab_size;
  if (model.tokenizer.largest_id >= tokens) {
    throw ModelError(c10::str("'", model.text_encoder.origin, "' has embeddings for ", tokens,
                              " tokens, but the tokenizer has the id ", model.tokenizer.largest_id));
  }
}

// The networks in the manifest must have exactly the tensors of the source.
void check_networks(const Manifest& manifest, const ImportedModel& model) {
  check_network(*Unet(std::get<UnetOptions>(manifest.denoiser->network)), model.unet.weights, "the UNet",
                model.unet.origin);
  check_network(*ClipTextModel(std::get<ClipTextOptions>(manifest.text_encoder->network)), model.text_encoder.weights,
                "the text encoder", model.text_encoder.origin);
  const ImportedComponent& component = model.autoencoder;
  if (const auto* options = std::get_if<AutoencoderKlOptions>(&manifest.autoencoder->network)) {
    check_network(*AutoencoderKl(*options), component.weights, "the autoencoder", component.origin);
  } else if (const auto* tiny = std::get_if<AutoencoderTinyOptions>(&manifest.autoencoder->network)) {
    check_network(*AutoencoderTiny(*tiny), component.weights, "the tiny autoencoder", component.origin);
  }
}

ImportedModel load(const ImportOptions& options) {
  ImportedModel model = fs::is_directory(options.source) ? load_diffusers_folder(options.source)
                                                         : load_checkpoint(options.source, options.sampling);
  if (!options.vae.empty()) {
    model.autoencoder = load_autoencoder(options.vae, model.unused);
    refuse_other_latents(model.autoencoder);
  } else if (model.autoencoder.weights.empty()) {
    throw ModelError("'" + options.source.string() + "' contains no autoencoder: specify one with `vae`");
  }
  return model;
}

// A LoRA for few steps determines the sampling, unless a sampler is given.
void apply_few_steps(const Lora& lora, SamplingChoices& sampling, std::vector<std::string>& notices) {
  if (!lora.few_steps || sampling.sampler) {
    return;
  }
  const FewSteps& few = *lora.few_steps;
  sampling.sampler = few.sampler;
  sampling.guidance = sampling.guidance.value_or(1.0);
  sampling.steps = sampling.steps ? sampling.steps : few.steps;
  if (few.trailing && !sampling.timestep_spacing) {
    sampling.timestep_spacing = enum_name(TimestepSpacing::trailing);
  }
  notices.push_back("'" + lora.file.string() + "' is " + few.what +
                    " according to its name: the bundle's default sampler is " + few.sampler +
                    (few.trailing ? " with trailing timesteps" : "") + " (use `sampler` to override)");
}

void merge_loras(ImportOptions& options, ImportedModel& model) {
  for (const auto& choice : options.loras) {
    const Lora lora = open_lora(choice.file);
    merge_lora(lora, choice.weight, model.unet.weights, model.text_encoder.weights);
    apply_few_steps(lora, options.sampling, model.notices);
  }
}

class Writer {
 public:
  Writer(const ImportOptions& options, fs::path folder, const std::function<void(const std::string&)>& progress)
      : options_(options), folder_(std::move(folder)), progress_(progress) {}

  // Returns the hash of the file.
  std::string write(const std::string& file, const Weights& weights,
                    const std::map<std::string, std::string>& metadata = {}) {
    if (progress_) {
      progress_(file);
    }
    std::vector<DeferredTensor> tensors;
    for (const auto& [name, weight] : weights) {
      const auto dtype = written_dtype(weight, options_.dtype);
      tensors.push_back({name, dtype, weight.shape, [&weight = weight, dtype] {
                           check_interrupt();
                           return read_weight(weight, dtype);
                         }});
    }
    const std::string hash = write_safetensors_one_by_one(folder_ / file, std::move(tensors), metadata);
    files.push_back({file, weights.size(), static_cast<std::int64_t>(fs::file_size(folder_ / file))});
    return hash;
  }

  std::vector<ImportedFile> files;

 private:
  const ImportOptions& options_;
  fs::path folder_;
  const std::function<void(const std::string&)>& progress_;
};

std::int64_t written_bytes(const Weights& weights, std::optional<torch::ScalarType> dtype) {
  std::int64_t bytes = 0;
  for (const auto& [name, weight] : weights) {
    bytes += c10::multiply_integers(weight.shape) *
             static_cast<std::int64_t>(c10::elementSize(written_dtype(weight, dtype)));
  }
  return bytes;
}

// Fails before minutes of work rather than after.
void check_space(const ImportedModel& model, const ImportOptions& options, const fs::path& folder) {
  std::int64_t needed = 0;
  for (const auto* component : {&model.unet, &model.text_encoder, &model.autoencoder}) {
    needed += written_bytes(component->weights, options.dtype);
  }
  const auto free = static_cast<std::int64_t>(std::min<std::uintmax_t>(fs::space(folder).available, INT64_MAX));
  if (needed > free) {
    throw Error("the bundle needs " + format_bytes(needed) + ", but only " + format_bytes(free) + " are free in '" +
                folder.parent_path().string() + "'");
  }
}

// Writes the file of the coupling and adds its entries.
void write_coupling(const ImportOptions& options, const CouplingSource& source, Writer& writer, json& manifest) {
  const std::vector<std::int64_t> given =
      options.cfm_factors.empty() ? std::vector<std::int64_t>{2} : options.cfm_factors;
  const std::set<std::int64_t> factors(given.begin(), given.end());
  std::string file = "cfm";
  for (const auto factor : factors) {
    file += c10::str("-", factor);
  }
  file += "x.safetensors";
  const std::string hash = writer.write(
      file, source.weights,
      {{"format", "pt"}, {"config", source.network.dump()}, {"noising_step", std::to_string(source.noising_step)}});
  manifest["couplings"] = coupling_entries(source, {factors.begin(), factors.end()}, file);
  for (auto& entry : manifest["couplings"]) {
    entry["sha256"] = hash;
  }
}

std::string file_names(const ImportOptions& options, const fs::path& upscaler) {
  std::string text = upscaler.filename().string();
  const LoraChoice& other = options.interpolate;
  return other.file.empty() ? text : text + ", interpolated with " + other.file.filename().string() + " at " + json(other.weight).dump();
}

// A bundle of nothing but a pixel upscaler.
ImportReport import_pixel_upscaler(const ImportOptions& options, const fs::path& folder,
                                   const std::function<void(const std::string& file)>& progress) {
  if (!options.vae.empty() || !options.loras.empty() || !options.cfm.empty() || !options.pixel_upscaler.empty()) {
    throw UsageError("'" + options.source.string() +
                     "' is a pixel upscaler: `vae`, `lora`, `cfm` and `pixel_upscaler` belong to a Stable Diffusion model");
  }
  const PixelUpscalerSource source = open_pixel_upscaler(options.source, options.interpolate);
  json manifest = {{"format", "fmboost-bundle"},
                   {"version", 1},
                   {"name", options.name.empty() ? options.source.stem().string() : options.name},
                   {"license", options.license},
                   {"source", "imported from " + file_names(options, fs::canonical(options.source))},
                   {"pixel_upscaler", source.entry}};
  parse_manifest(manifest.dump(), options.source.string());
  Writer writer(options, folder, progress);
  manifest["pixel_upscaler"]["sha256"] = writer.write(kPixelUpscalerFile, source.weights);
  write_file_atomically(folder / "bundle.json", as_bytes(manifest.dump(1) + "\n"));
  return {source.what, {}, std::move(writer.files), {}};
}

}  // namespace

ImportReport import_model(const ImportOptions& given, const fs::path& folder,
                          const std::function<void(const std::string& file)>& progress) {
  ImportOptions options = given;
  options.check();
  if (is_pixel_upscaler(options.source)) {
    return import_pixel_upscaler(options, folder, progress);
  }
  ImportedModel model = load(options);
  merge_loras(options, model);
  // Everything that can be checked without reading tensors is checked before the long work.
  json manifest = describe_bundle(model, options);
  manifest["tokenizer"].update(write_tokenizer(model.tokenizer, folder));
  const Manifest checked = parse_manifest(as_text(manifest, -1), options.source.string());
  check_tokenizer(checked, model);
  check_networks(checked, model);
  check_space(model, options, folder);
  Writer writer(options, folder, progress);
  if (!options.cfm.empty()) {
    CouplingSource coupling = open_coupling(options.cfm, checked.autoencoder->latent_channels);
    coupling.noising_step = options.cfm_noising_step.value_or(coupling.noising_step);
    write_coupling(options, coupling, writer, manifest);
  }
  if (!options.pixel_upscaler.empty()) {
    const PixelUpscalerSource upscaler = open_pixel_upscaler(options.pixel_upscaler, options.interpolate);
    manifest["pixel_upscaler"] = upscaler.entry;
    manifest["pixel_upscaler"]["sha256"] = writer.write(kPixelUpscalerFile, upscaler.weights);
    manifest["source"] = manifest["source"].get<std::string>() + ", pixel upscaler from " + file_names(options, options.pixel_upscaler);
  }
  manifest["text_encoder"]["sha256"] = writer.write(kTextFile, model.text_encoder.weights);
  manifest["denoiser"]["sha256"] = writer.write(kUnetFile, model.unet.weights);
  manifest["autoencoder"]["sha256"] = writer.write(kAutoencoderFile, model.autoencoder.weights);
  const std::string text = as_text(manifest, 1) + "\n";
  parse_manifest(text, "bundle.json");
  write_file_atomically(folder / "bundle.json", as_bytes(text));
  return {model.what, std::move(model.notices), std::move(writer.files), std::move(model.unused)};
}

}  // namespace fmboost
