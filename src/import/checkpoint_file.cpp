#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"

#include "import/imported_model.h"
#include "import/ldm_names.h"
#include "import/network_configs.h"
#include "import/sampling.h"
#include "import/stored_sampling.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// The tensors under the first prefix with any tensors.
Weights take_component(Weights& tensors, std::initializer_list<const char*> prefixes) {
  for (const char* prefix : prefixes) {
    if (Weights component = take_prefix(tensors, prefix); !component.empty()) {
      return component;
    }
  }
  return {};
}

std::vector<std::string> names_of(const Weights& tensors, const std::string& prefix = "") {
  std::vector<std::string> names;
  for (const auto& [name, weight] : tensors) {
    names.push_back(prefix + name);
  }
  return names;
}

void note_unused(ImportedModel& model, const std::string& reason, std::vector<std::string> names) {
  if (!names.empty()) {
    model.unused.push_back({reason, std::move(names)});
  }
}

void take_unet(Weights& tensors, const std::string& file, ImportedModel& model) {
  model.unet.origin = file;
  model.unet.weights = to_diffusers_unet(take_component(tensors, {"model.diffusion_model.", "unet."}));
  model.unet.config = unet_config(model.unet.weights, file);
}

// Version 2 stores the projections of its attention as matrices, version 1 as convolutions.
bool is_version_2(const ImportedModel& model) {
  return model.unet.config.at("use_linear_projection").get<bool>();
}

void take_text_encoder(Weights& tensors, const std::string& file, ImportedModel& model) {
  if (Weights openclip = take_prefix(tensors, "cond_stage_model.model."); !openclip.empty()) {
    Weights rest;
    model.text_encoder.weights = openclip_to_transformers_text(std::move(openclip), rest);
    note_unused(model, "the last text layer and the following ones: Stable Diffusion 2 uses the states before it",
                names_of(rest, "cond_stage_model.model."));
  } else {
    model.text_encoder.weights =
        to_transformers_text(take_component(tensors, {"cond_stage_model.transformer.", "text_encoder.", "te."}));
    take_unused_text(model);
  }
  model.text_encoder.origin = file;
  // Version 2 uses OpenCLIP, which has another activation and pads with token 0.
  model.text_encoder.config =
      text_config(model.text_encoder.weights, file, is_version_2(model) ? "gelu" : "quick_gelu");
  if (is_version_2(model)) {
    model.tokenizer.pad = 0;
  }
}

std::string choose_prediction(const StoredSampling& stored, const SamplingChoices& choices, ImportedModel& model) {
  std::string prediction = choices.prediction.value_or(stored.prediction);
  if (prediction.empty() && is_version_2(model)) {
    prediction = "v_prediction";
    model.notices.emplace_back(
        "the prediction type of the Stable Diffusion 2 file is unknown: assuming the 768x768 model, which predicts v; "
        "if "
        "the images are noise, it is the base model: use `prediction` epsilon");
  }
  return prediction.empty() ? "epsilon" : prediction;
}

}  // namespace

void refuse_other_families(const fs::path& source, const Recognition& found) {
  if (found.kind != WeightKind::stable_diffusion) {
    throw ModelError("'" + source.string() + "' is " + found.what +
                     "; a Stable Diffusion 1 or 2 model is needed: " + found.use);
  }
}

TensorShapes shapes_of(const Weights& tensors, const std::string& prefix) {
  TensorShapes shapes;
  for (const auto& [name, weight] : tensors) {
    shapes.emplace(prefix + name, weight.shape);
  }
  return shapes;
}

ImportedModel load_checkpoint(const fs::path& path, const SamplingChoices& choices) {
  check_weight_file(path);
  WeightFile file = open_weights(path);
  apply_fp8_scales(file.tensors);
  const Recognition found = detect_weights(shapes_of(file.tensors));
  refuse_other_families(path, found);
  ImportedModel model;
  model.what = found.what;
  model.name = path.stem().string();
  model.tokenizer = shipped_tokenizer();
  Weights tensors = file.tensors;
  take_unused(tensors, model.unused);
  take_unet(tensors, path.string(), model);
  take_text_encoder(tensors, path.string(), model);
  if (Weights vae = take_component(tensors, {"first_stage_model.", "vae."}); !vae.empty()) {
    model.autoencoder = make_autoencoder(std::move(vae), path.string(), nullptr);
  }
  note_unused(model, "not part of the model", names_of(tensors));
  const StoredSampling stored = stored_sampling(path, file);
  if (!stored.notice.empty()) {
    model.notices.push_back(stored.notice);
  }
  const std::string prediction = choose_prediction(stored, choices, model);
  const bool consistency = !model.unet.config.at("time_cond_proj_dim").is_null();
  model.scheduler = stable_diffusion_scheduler(prediction, consistency, stored.zero_snr);
  model.scheduler_origin = path.string();
  model.native_latent_pixels = is_version_2(model) && prediction == "v_prediction" ? 96 : 64;
  return model;
}

}  // namespace fmboost
