#include "model/bundle_coupling.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"
#include "fmboost/model/bundle.h"

#include "nn/cfm/cfm_unet_json.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using ordered_json = nlohmann::ordered_json;

ordered_json to_entry(const CouplingEntry& coupling) {
  ordered_json entry = {{"file", coupling.weights.file},
                        {"sha256", coupling.weights.sha256},
                        {"factor", coupling.factor},
                        {"network", to_json(coupling.network)},
                        {"path", enum_name(coupling.path)},
                        {"upsampling", enum_name(coupling.upsampling)},
                        {"noising_step", coupling.noising_step},
                        {"solver", coupling.solver},
                        {"steps", coupling.steps},
                        {"back_projection", coupling.back_projection}};
  if (coupling.applies_to != ImageSource::any) {
    entry["applies_to"] = enum_name(coupling.applies_to);
  }
  if (coupling.flow_solver().is_stochastic()) {
    entry["diffusion_form"] = enum_name(coupling.diffusion_form);
    entry["diffusion_norm"] = coupling.diffusion_norm;
  }
  if (coupling.start_from_noise) {
    entry["start_from_noise"] = true;
  }
  if (coupling.noising_step_max) {
    entry["noising_step_max"] = *coupling.noising_step_max;
  }
  if (coupling.generated_fidelity) {
    entry["generated_fidelity"] = *coupling.generated_fidelity;
  }
  return entry;
}

// Whether `coupling` applies to all images that `old` applies to.
bool replaces(const CouplingEntry& coupling, const CouplingEntry& old) {
  return old.factor == coupling.factor &&
         (coupling.applies_to == ImageSource::any || coupling.applies_to == old.applies_to);
}

// The file of these weights if the bundle already has them for another factor, otherwise an unused name.
std::string file_name_for(const fs::path& bundle, const Manifest& manifest, const CouplingEntry& coupling,
                          const std::string& hash) {
  for (const CouplingEntry& entry : manifest.couplings) {
    if (entry.weights.sha256 == hash) {
      return entry.weights.file;
    }
  }
  const std::string stem = "cfm-" + std::to_string(coupling.factor) + "x";
  const std::string plain = stem + ".safetensors";
  return fs::exists(bundle / plain) && sha256_file(bundle / plain) != hash
             ? stem + "-" + hash.substr(0, 8) + ".safetensors"
             : plain;
}

void copy_into(const fs::path& weights, const fs::path& target) {
  std::error_code error;
  if (!fs::equivalent(weights, target, error)) {
    const MappedFile source(weights);
    write_file_atomically(target, source.bytes());
  }
}

// Keeps the couplings that are not replaced, the rest of the file and the order of its keys. The first matching
// coupling of a factor is used, so the new one precedes any remaining one for all images.
std::string with_entry(const std::string& text, const Manifest& before, const CouplingEntry& coupling) {
  ordered_json description = ordered_json::parse(text);
  ordered_json couplings = ordered_json::array();
  bool placed = false;
  for (std::size_t i = 0; i < before.couplings.size(); ++i) {
    if (replaces(coupling, before.couplings[i])) {
      continue;
    }
    if (!placed && before.couplings[i].factor == coupling.factor) {
      couplings.push_back(to_entry(coupling));
      placed = true;
    }
    couplings.push_back(description["couplings"][i]);
  }
  if (!placed) {
    couplings.push_back(to_entry(coupling));
  }
  description["couplings"] = couplings;
  return description.dump(1) + "\n";
}

void remove_unnamed(const fs::path& bundle, const Manifest& before, const Manifest& after) {
  const auto kept = after.files();
  for (const auto& coupling : before.couplings) {
    const bool named = std::any_of(kept.begin(), kept.end(),
                                   [&](const BundleFile& file) { return file.file == coupling.weights.file; });
    if (!named) {
      std::error_code ignored;
      fs::remove(bundle / coupling.weights.file, ignored);
    }
  }
}

}  // namespace

void check_coupling_fits(const fs::path& bundle, const CouplingEntry& coupling, bool replace) {
  const Bundle opened(bundle);
  const auto& autoencoder = opened.manifest().autoencoder;
  if (!autoencoder || autoencoder->latent_channels != coupling.network.out_channels) {
    throw ModelError("'" + bundle.string() + "' has latents of " +
                     std::to_string(autoencoder ? autoencoder->latent_channels : 0) +
                     " channels, the coupling is trained on " + std::to_string(coupling.network.out_channels) +
                     ": it was made for other latents");
  }
  const auto& present = opened.manifest().couplings;
  const auto old = std::find_if(present.begin(), present.end(),
                                [&](const CouplingEntry& entry) { return replaces(coupling, entry); });
  if (!replace && old != present.end()) {
    throw UsageError("'" + bundle.string() + "' has a coupling of factor " + std::to_string(coupling.factor) + " for " +
                     enum_name(old->applies_to) + " images; use `force` to replace it");
  }
  for (const auto& path : {bundle, bundle / "bundle.json"}) {
    if (::access(path.c_str(), W_OK) != 0) {
      throw Error("'" + path.string() + "' is not writable");
    }
  }
}

fs::path add_coupling(const fs::path& bundle, const fs::path& weights, const CouplingEntry& coupling, bool replace) {
  check_coupling_fits(bundle, coupling, replace);
  const fs::path file = bundle / "bundle.json";
  const std::string text = read_text_file(file);
  const Manifest before = parse_manifest(text, file.string());
  CouplingEntry entry = coupling;
  entry.weights.sha256 = sha256_file(weights);
  entry.weights.file = file_name_for(bundle, before, coupling, entry.weights.sha256);
  copy_into(weights, bundle / entry.weights.file);
  const std::string changed = with_entry(text, before, entry);
  const Manifest after = parse_manifest(changed, file.string());
  write_file_atomically(file, as_bytes(changed));
  remove_unnamed(bundle, before, after);
  return entry.weights.file;
}

}  // namespace fmboost
