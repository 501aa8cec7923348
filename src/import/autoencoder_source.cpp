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

}  // namespace

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
