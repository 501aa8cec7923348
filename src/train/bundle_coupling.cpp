#include "fmboost/train/bundle_coupling.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/core/files.h"
#include "fmboost/core/sha256.h"
#include "fmboost/nn/bundle.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using ordered_json = nlohmann::ordered_json;

ordered_json to_entry(const CouplingEntry& coupling) {
  ordered_json entry = {{"file", coupling.weights.file},
                        {"sha256", coupling.weights.sha256},
                        {"factor", coupling.factor},
                        {"network", to_json(coupling.network)},
                        {"path", path_name(coupling.path)},
                        {"upsampling", upsampling_name(coupling.upsampling)},
                        {"noising_step", coupling.noising_step},
                        {"solver", coupling.solver},
                        {"steps", coupling.steps},
                        {"back_projection", coupling.back_projection}};
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

bool has_factor(const Manifest& manifest, std::int64_t factor) {
  return std::any_of(manifest.couplings.begin(), manifest.couplings.end(),
                     [&](const CouplingEntry& entry) { return entry.factor == factor; });
}

// Where the bundle has these weights already, for another factor, their file; else a name that is free.
std::string name_in(const fs::path& bundle, const Manifest& manifest, const CouplingEntry& coupling,
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

// The couplings of other factors stay, and the rest of the file with the order of its keys.
std::string with_entry(const std::string& text, const CouplingEntry& coupling) {
  ordered_json description = ordered_json::parse(text);
  ordered_json couplings = ordered_json::array();
  for (const auto& entry : description.value("couplings", ordered_json::array())) {
    if (entry.value("factor", std::int64_t{0}) != coupling.factor) {
      couplings.push_back(entry);
    }
  }
  couplings.push_back(to_entry(coupling));
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
                     ": it belongs to other latents");
  }
  if (!replace && has_factor(opened.manifest(), coupling.factor)) {
    throw UsageError("'" + bundle.string() + "' has a coupling of factor " + std::to_string(coupling.factor) +
                     "; --force puts the new one in its place");
  }
  for (const auto& path : {bundle, bundle / "bundle.json"}) {
    if (::access(path.c_str(), W_OK) != 0) {
      throw Error("'" + path.string() + "' cannot be written to");
    }
  }
}

fs::path add_coupling(const fs::path& bundle, const fs::path& weights, const CouplingEntry& coupling, bool replace) {
  check_coupling_fits(bundle, coupling, replace);
  const fs::path file = bundle / "bundle.json";
  const std::string text = read_text_file(file);
  CouplingEntry entry = coupling;
  entry.weights.sha256 = sha256_file(weights);
  entry.weights.file = name_in(bundle, parse_manifest(text, file.string()), coupling, entry.weights.sha256);
  copy_into(weights, bundle / entry.weights.file);
  const std::string changed = with_entry(text, entry);
  const Manifest after = parse_manifest(changed, file.string());
  write_file_atomically(file, as_bytes(changed));
  remove_unnamed(bundle, parse_manifest(text, file.string()), after);
  return entry.weights.file;
}

}  // namespace fmboost
