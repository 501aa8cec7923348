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

/// A folder with bundle.json and the files that it names. Opening reads the manifest only; components are loaded one by
/// one. The hash of each file is checked before its use, or skipped if a stamp in the user's cache records an earlier
/// check of the same file (by size and time). All members throw ModelError naming the file, what was expected and what
/// was found.
class Bundle {
 public:
  explicit Bundle(std::filesystem::path folder);

  const std::filesystem::path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  /// SHA-256 of bundle.json. As it contains the hashes of all other files, it identifies the whole bundle.
  const std::string& hash() const { return hash_; }

  std::unique_ptr<Tokenizer> load_tokenizer() const;
  std::unique_ptr<TextEncoder> load_text_encoder(const Placement& placement) const;
  std::unique_ptr<Denoiser> load_denoiser(const Placement& placement) const;
  std::unique_ptr<Autoencoder> load_autoencoder(const Placement& placement) const;
  std::unique_ptr<PixelUpscaler> load_pixel_upscaler(const Placement& placement) const;
  std::unique_ptr<VelocityNetwork> load_velocity(const CouplingEntry& coupling, const Placement& placement) const;

  /// Checks every hash (without stamps), the operators and inputs of every TorchScript program, and the tensor names
  /// and shapes of every native network, without running anything. Returns one line per check; throws at the first
  /// failure.
  std::vector<std::string> verify() const;

 private:
  std::filesystem::path checked(const BundleFile& file, bool use_stamp = true) const;
  void verify_networks(std::vector<std::string>& lines) const;

  std::filesystem::path folder_;
  Manifest manifest_;
  std::string hash_;
};

/// The folder of the bundle that upscales the images of the bundle in `folder`: the bundle that its `upscaler` names,
/// else itself. Throws ModelError if that bundle is missing or has an `upscaler` as well.
std::filesystem::path upscaler_folder(const std::filesystem::path& folder);

/// Whether images of the denoiser of `drawing` count as generated (ImageSource::generated) for `upscaling`: it is the
/// same bundle, or the upscaler of `drawing` and without a denoiser.
bool is_own_upscaler(const Bundle& drawing, const Bundle& upscaling);

/// The default model: $FMBOOST_MODEL, else the bundled model, relative to the executable
/// (../share/fmboost/models/default, or models/default in a parent folder). Throws ModelError if there is none.
std::filesystem::path default_model_folder();

}  // namespace fmboost
