#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fmboost/core/placement.h"
#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"
#include "fmboost/text/tokenizer.h"

namespace fmboost {

/// A folder with bundle.json and the files it names. Opening reads the manifest only; parts are loaded one by one. A
/// file's hash is checked before it is used; a stamp of its size and time in the user's cache stands for a check that
/// was made before. All members throw ModelError naming the file, what was expected and what was found.
class Bundle {
 public:
  explicit Bundle(std::filesystem::path folder);

  const std::filesystem::path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  /// SHA-256 of bundle.json, which names every other file's hash: it stands for the whole bundle.
  const std::string& hash() const { return hash_; }

  std::unique_ptr<Tokenizer> load_tokenizer() const;
  std::unique_ptr<TextEncoder> load_text_encoder(const Placement& placement) const;
  std::unique_ptr<Denoiser> load_denoiser(const Placement& placement) const;
  std::unique_ptr<Autoencoder> load_autoencoder(const Placement& placement) const;
  std::unique_ptr<VelocityNetwork> load_velocity(const CouplingEntry& coupling, const Placement& placement) const;

  /// Checks every hash (no stamps), every program's operators and inputs, and the names and shapes of every native
  /// network's tensors, without running anything. Returns one line for each thing that was checked; throws at the first
  /// that is wrong.
  std::vector<std::string> verify() const;

 private:
  std::filesystem::path checked(const BundleFile& file, bool use_stamp = true) const;
  void verify_networks(std::vector<std::string>& lines) const;

  std::filesystem::path folder_;
  Manifest manifest_;
  std::string hash_;
};

/// The bundle that upscales for the one in `folder`: the one inside it that its `upscaler` names, else itself. Throws
/// ModelError when there is none, or when that one names a further one.
std::filesystem::path upscaler_folder(const std::filesystem::path& folder);

/// Whether images of one bundle's denoiser are another's own (ImageSource::generated): it is the same, or the one without a
/// denoiser that upscales for it.
bool is_own_upscaler(const Bundle& drawing, const Bundle& upscaling);

/// Where a model is looked for when none is named: $FMBOOST_MODEL, else the bundled default, found from the
/// executable's own place (../share/fmboost/models/default, or models/default in a folder above it).
/// Throws ModelError when there is none.
std::filesystem::path default_model_folder();

}  // namespace fmboost
