#pragma once

#include <functional>
#include <map>
#include <memory>

#include "fmboost/model/bundle.h"

namespace fmboost {

/// The parts of one bundle, loaded when they are first needed and freed when they are no longer.
class ModelComponents {
 public:
  ModelComponents(Bundle bundle, Placement placement) : bundle_(std::move(bundle)), placement_(placement) {}

  const Bundle& bundle() const { return bundle_; }
  const Manifest& manifest() const { return bundle_.manifest(); }
  const Placement& placement() const { return placement_; }

  // A part in the given dtype; asking for another dtype than before loads it again.
  TextEncoder& text_encoder(torch::ScalarType dtype);
  Denoiser& denoiser(torch::ScalarType dtype);
  Autoencoder& autoencoder(torch::ScalarType dtype);
  VelocityNetwork& velocity(const CouplingEntry& coupling, torch::ScalarType dtype);

  void release_text_encoder() { text_encoder_ = {}; }
  void release_denoiser() { denoiser_ = {}; }
  void release_autoencoder() { autoencoder_ = {}; }

 private:
  template <typename Part>
  struct Slot {
    std::unique_ptr<Part> part;
    torch::ScalarType dtype = torch::kFloat32;
  };
  template <typename Part, typename Load>
  Part& get(Slot<Part>& slot, torch::ScalarType dtype, const Load& load);

  Bundle bundle_;
  Placement placement_;
  Slot<TextEncoder> text_encoder_;
  Slot<Denoiser> denoiser_;
  Slot<Autoencoder> autoencoder_;
  std::map<std::string, Slot<VelocityNetwork>> velocities_;  ///< by file: couplings may share one
};

/// Runs a stage in the placement's dtype. When its result holds a NaN or infinity it is run once more in float32, with
/// a warning; when that does not help, throws Error naming the stage: a broken image is never passed on.
torch::Tensor run_with_float32_fallback(const std::string& stage, torch::ScalarType dtype,
                         const std::function<torch::Tensor(torch::ScalarType dtype)>& run);

}  // namespace fmboost
