#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fmboost/core/placement.h"
#include "fmboost/model/bundle.h"

#include "temporary_folder.h"

namespace fmboost::test {

/// The manifest of a bundle with every part, small enough to run in milliseconds: words, text states of width 3,
/// latents of 4 channels at a quarter of the image's side, a denoiser trained at 32 pixels, couplings of 2x and 4x.
/// Its hashes are sound in form only.
nlohmann::json tiny_manifest();

/// That bundle as a folder. Its programs are simple formulas:
/// text: every state is its token's id / 8; denoiser: x / 4 + the mean of the text + t / 8000;
/// encoder: the mean of every 4 x 4 pixels, and the mean of the colors as fourth channel; decoder: the nearest latent pixel.
/// The velocity network has random weights, always the same.
class TinyBundle {
 public:
  TinyBundle();

  /// Edit it, then call write().
  nlohmann::json manifest = tiny_manifest();
  /// Writes bundle.json with the files' present hashes.
  void write();
  /// Replaces one of the programs by others methods, and writes.
  void set_program(const std::string& file, const std::vector<std::string>& methods);
  /// Makes the velocity 0 everywhere, so that couplings end where they start, and writes.
  void stop_velocity();

  const std::filesystem::path& folder() const { return folder_.path(); }
  Bundle open() const { return Bundle(folder_.path()); }

 private:
  void write_velocity(bool moving) const;

  TemporaryFolder folder_;
};

}  // namespace fmboost::test
