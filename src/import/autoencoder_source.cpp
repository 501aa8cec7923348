#include "fmboost/core/error.h"

#include "import/imported_model.h"
#include "import/ldm_names.h"
#include "import/network_configs.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

bool is_tiny(const Weights& tensors) {
  return tensors.contains("encoder.layers.0.weight");
}

// The family whose latents an autoencoder makes, if it is not that of Stable Diffusion 1 and 2; empty otherwise.
std::string other_family(const nlohmann::json& config) {
  const auto number = [&](const char* key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_number() ? found->get<double>() : 0.0;
  };
  const auto has = [&](const char* key) { return config.contains(key) && !config.at(key).is_null(); };
  const std::string name = config.value("_class_name", nlohmann::json("")).dump();
  if (name.find("Wan") != std::string::npos || has("z_dim") || has("latents_mean")) {
    return "a video model such as Wan";
  }
  if (const double channels = number("latent_channels"); channels == 16) {
    return "FLUX or Stable Diffusion 3 (16 latent channels)";
  } else if (channels != 0 && channels != 4) {
    return "another family (latents of " + std::to_string(static_cast<int>(channels)) + " channels)";
  }
  const double scale = number("scaling_factor");
  return scale > 0.13 && scale < 0.131 ? "Stable Diffusion XL (scaling factor 0.13025)" : "";
}

}  // namespace

void refuse_other_latents(const ImportedComponent& autoencoder) {
  if (const std::string family = other_family(autoencoder.config); !family.empty()) {
    throw ModelError("'" + autoencoder.origin + "' is the autoencoder of " + family +
                     ": its latents are not those of Stable Diffusion 1 and 2; use an autoencoder of these");
  }
}

ImportedComponent make_autoencoder(Weights tensors, const std::string& origin, nlohmann::json config) {
  ImportedComponent component{origin, {}, std::move(config)};
  if (is_tiny(tensors)) {
    component.weights = std::move(tensors);
    if (component.config.is_null()) {
      component.config = tiny_autoencoder_config(component.weights, origin);
    }
    return component;
  }
  component.weights = to_diffusers_autoencoder(std::move(tensors));
  if (component.config.is_null()) {
    component.config = autoencoder_config(component.weights, origin);
  }
  return component;
}

ImportedComponent load_autoencoder(const fs::path& source, std::vector<UnusedTensors>& unused) {
  if (fs::is_directory(source)) {
    const bool whole = fs::is_directory(source / "vae");
    return load_component_folder(whole ? source / "vae" : source);
  }
  check_weight_file(source);
  Weights tensors = open_weights(source).tensors;
  apply_fp8_scales(tensors);
  const Recognition found = detect_weights(shapes_of(tensors));
  take_unused(tensors, unused);
  if (found.kind == WeightKind::autoencoder || found.kind == WeightKind::tiny_autoencoder ||
      found.kind == WeightKind::stable_diffusion) {
    for (const char* prefix : {"first_stage_model.", "vae."}) {
      if (Weights inner = take_prefix(tensors, prefix); !inner.empty()) {
        return make_autoencoder(std::move(inner), source.string(), nullptr);
      }
    }
    return make_autoencoder(std::move(tensors), source.string(), nullptr);
  }
  throw ModelError("'" + source.string() + "' is " + found.what + "; `vae` must be an autoencoder: " + found.use);
}

}  // namespace fmboost
