#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "fmboost/model/bundle.h"

namespace fmboost {

/// The components of one bundle: each is loaded when it is first needed, and freed on request.
class ModelComponents {
 public:
  ModelComponents(Bundle bundle, Placement placement);

  const Bundle& bundle() const { return bundle_; }
  const Manifest& manifest() const { return bundle_.manifest(); }
  const Placement& placement() const { return placement_; }

  // A component in the given dtype. A dtype other than the loaded one loads the component again.
  TextEncoder& text_encoder(torch::ScalarType dtype);
  Denoiser& denoiser(torch::ScalarType dtype);
  Autoencoder& autoencoder(torch::ScalarType dtype);
  PixelUpscaler& pixel_upscaler(torch::ScalarType dtype);
  VelocityNetwork& velocity(const CouplingEntry& coupling, torch::ScalarType dtype);

  /// Memory of the autoencoder in the placement's dtype: estimated from the layers of a native one without loading it,
  /// measured for a TorchScript program when it is first loaded; none until then.
  const std::optional<AutoencoderMemory>& autoencoder_memory() const { return autoencoder_memory_; }

  void release_text_encoder() { text_encoder_ = {}; }
  void release_denoiser() { denoiser_ = {}; }
  void release_autoencoder() { autoencoder_ = {}; }

 private:
  template <typename Component>
  struct Slot {
    std::unique_ptr<Component> component;
    torch::ScalarType dtype = torch::kFloat32;
  };
  template <typename Component, typename Load>
  Component& get(Slot<Component>& slot, torch::ScalarType dtype, const Load& load);

  Bundle bundle_;
  Placement placement_;
  std::optional<AutoencoderMemory> autoencoder_memory_;
  Slot<TextEncoder> text_encoder_;
  Slot<Denoiser> denoiser_;
  Slot<Autoencoder> autoencoder_;
  Slot<PixelUpscaler> pixel_upscaler_;
  std::map<std::string, Slot<VelocityNetwork>> velocities_;  ///< by file: couplings may share one
};

/// Runs a stage in the given dtype. If the result holds NaN or infinite values, the stage runs once more in float32,
/// with a warning; if that does not help, throws Error naming the stage. A broken image is never passed on.
torch::Tensor run_with_float32_fallback(const std::string& stage, torch::ScalarType dtype,
                                        const std::function<torch::Tensor(torch::ScalarType dtype)>& run);

}  // namespace fmboost
