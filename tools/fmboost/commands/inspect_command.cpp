#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/image/decode.h"
#include "fmboost/import/detect_weights.h"
#include "fmboost/io/files.h"
#include "fmboost/model/bundle.h"

#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "commands/command.h"
#include "commands/inspect_shards.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

template <typename T>
json optional_json(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json describe_bundle(const Bundle& bundle) {
  const Manifest& manifest = bundle.manifest();
  json result = {{"kind", "bundle"},          {"path", bundle.folder().string()},
                 {"name", manifest.name},     {"license", manifest.license},
                 {"source", manifest.source}, {"hash", bundle.hash()}};
  if (manifest.denoiser) {
    const DenoiserEntry& d = *manifest.denoiser;
    result["denoiser"] = {{"prediction", d.prediction == Prediction::v ? "v_prediction" : "epsilon"},
                          {"latent_channels", d.latent_channels},
                          {"native_size", d.native_size},
                          {"size_multiple", d.size_multiple},
                          {"guidance_embedding", optional_json(d.guidance_embedding)},
                          {"sampler", d.default_sampler},
                          {"steps", d.default_steps},
                          {"guidance", d.default_guidance}};
    const auto tokenizer = bundle.load_tokenizer();
    result["tokenizer"] = {{"type", manifest.tokenizer->type}, {"max_length", tokenizer->max_length()}};
    if (!tokenizer->vocabulary().empty()) {
      result["tokenizer"]["vocabulary"] = tokenizer->vocabulary();
    }
    if (!manifest.examples.empty()) {
      result["examples"] = manifest.examples;
    }
  }
  if (manifest.autoencoder) {
    const AutoencoderEntry& a = *manifest.autoencoder;
    const bool native = is_native(a);
    result["autoencoder"] = {{"factor", a.factor},
                             {"latent_channels", a.latent_channels},
                             {"scale", a.scale},
                             {"shift", a.shift},
                             {"tiles", native ? "exact" : "blended windows"}};
  }
  if (!manifest.upscaler.empty()) {
    result["upscaler"] = describe_bundle(Bundle(upscaler_folder(bundle.folder())));
    return result;
  }
  if (manifest.pixel_upscaler) {
    const PixelUpscalerEntry& p = *manifest.pixel_upscaler;
    const bool rrdb = std::holds_alternative<RrdbNetOptions>(p.network);
    result["pixel_upscaler"] = {{"file", p.weights.file},
                                {"network", rrdb ? "RRDBNet" : "SRVGGNetCompact"},
                                {"factor", p.factor()},
                                {"applies_to", enum_name(p.applies_to)},
                                {"back_projection", p.back_projection},
                                {"tiles", "exact"}};
  }
  result["couplings"] = json::array();
  for (const auto& c : manifest.couplings) {
    result["couplings"].push_back({{"file", c.weights.file},
                                   {"factor", c.factor},
                                   {"applies_to", enum_name(c.applies_to)},
                                   {"path", enum_name(c.path)},
                                   {"upsampling", enum_name(c.upsampling)},
                                   {"solver", c.solver},
                                   {"steps", c.steps},
                                   {"noising_step", c.noising_step},
                                   {"noising_step_max", optional_json(c.noising_step_max)},
                                   {"back_projection", c.back_projection},
                                   {"generated_fidelity", optional_json(c.generated_fidelity)},
                                   {"network", json::parse(to_json_text(c.network))}});
  }
  return result;
}

json describe_weights(const fs::path& file) {
  const WeightFileContent content = read_weight_file(file);
  std::int64_t elements = 0;
  json tensors = json::object();
  for (const auto& [name, tensor] : content.tensors) {
    tensors[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}};
    elements += c10::multiply_integers(tensor.shape);
  }
  const std::string kind = file.extension() == ".safetensors" ? "safetensors" : "pytorch";
  return {{"kind", kind},
          {"what", content.recognition.what},
          {"use", content.recognition.use},
          {"path", file.string()},
          {"tensors", tensors},
          {"elements", elements},
          {"metadata", content.metadata}};
}

json describe_image(const fs::path& file) {
  const Image image = decode_image(read_file(file), file.string());
  json result = {{"kind", "image"},
                 {"path", file.string()},
                 {"format", image.format},
                 {"width", image.width()},
                 {"height", image.height()},
                 {"alpha", image.alpha.defined()},
                 {"icc_profile_bytes", image.metadata.icc_profile.size()},
                 {"exif_bytes", image.metadata.exif.size()}};
  for (const auto& [keyword, text] : image.metadata.text) {
    const json parsed = keyword == "fmboost" ? json::parse(text, nullptr, false) : json();
    result["text"][keyword] = parsed.is_object() ? parsed : json(text);
  }
  return result;
}

std::string plain_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Nested objects are indented; lists of plain values take one line.
void print_text(const json& value, const std::string& indent) {
  for (const auto& [key, item] : value.items()) {
    const bool objects = item.is_array() && !item.empty() && item.front().is_object();
    if (item.is_object() && !item.empty()) {
      std::cout << indent << key << ":\n";
      print_text(item, indent + "  ");
    } else if (objects) {
      for (std::size_t i = 0; i < item.size(); ++i) {
        std::cout << indent << key << "[" << i << "]:\n";
        print_text(item[i], indent + "  ");
      }
    } else {
      std::cout << indent << key << ": " << plain_text(item) << "\n";
    }
  }
}

struct InspectFlags {
  RunOptions run;
  std::string path;
  bool verify = false;
};

int run_inspect(const InspectFlags& flags) {
  configure_verbosity(flags.run);
  const fs::path path = flags.path.empty() ? default_model_folder() : fs::path(flags.path);
  json description;
  if (looks_like_shards(path)) {
    description = describe_shards(path, flags.verify);
  } else if (fs::is_directory(path) || !fs::exists(path)) {
    const Bundle bundle(path);
    description = describe_bundle(bundle);
    if (flags.verify) {
      description["verified"] = bundle.verify();
    }
  } else if (is_weight_file(path)) {
    description = describe_weights(path);
  } else if (path.filename() == "bundle.json") {
    throw UsageError("'" + path.string() + "' describes a bundle; inspect the folder that contains it");
  } else {
    description = describe_image(path);
  }
  if (flags.run.json) {
    std::cout << description.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    print_text(description, "");
  }
  return 0;
}

}  // namespace

std::function<int()> add_inspect(CLI::App& app) {
  auto flags = std::make_shared<InspectFlags>();
  app.add_option(
      "path", flags->path,
      "A bundle, a weight file (.safetensors, .ckpt, .pth), an image, or shards of latents (default: $FMBOOST_MODEL, otherwise the bundled "
      "model)");
  app.add_flag("--verify", flags->verify,
               "Check all hashes, programs and tensors of a bundle without running it, or read all latents of shards")
      ->group(kOutputGroup);
  app.add_flag("--json", flags->run.json, "Print one JSON line on stdout")->group(kOutputGroup);
  add_verbosity_options(app, flags->run);
  return [flags] { return run_inspect(*flags); };
}

}  // namespace fmboost::tool
