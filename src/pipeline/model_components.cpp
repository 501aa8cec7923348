#include "fmboost/pipeline/model_components.h"

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {

template <typename Part, typename Load>
Part& ModelComponents::get(Slot<Part>& slot, torch::ScalarType dtype, const Load& load) {
  if (!slot.part || slot.dtype != dtype) {
    slot.part.reset();  // the old one is freed before the new one is loaded
    slot.part = load(Placement{placement_.device, dtype});
    slot.dtype = dtype;
  }
  return *slot.part;
}

TextEncoder& ModelComponents::text_encoder(torch::ScalarType dtype) {
  return get(text_encoder_, dtype, [&](const Placement& p) { return bundle_.load_text_encoder(p); });
}

Denoiser& ModelComponents::denoiser(torch::ScalarType dtype) {
  return get(denoiser_, dtype, [&](const Placement& p) { return bundle_.load_denoiser(p); });
}

Autoencoder& ModelComponents::autoencoder(torch::ScalarType dtype) {
  return get(autoencoder_, dtype, [&](const Placement& p) { return bundle_.load_autoencoder(p); });
}

VelocityNetwork& ModelComponents::velocity(const CouplingEntry& coupling, torch::ScalarType dtype) {
  return get(velocities_[coupling.weights.file], dtype,
             [&](const Placement& p) { return bundle_.load_velocity(coupling, p); });
}

torch::Tensor run_with_float32_fallback(const std::string& stage, torch::ScalarType dtype,
                         const std::function<torch::Tensor(torch::ScalarType dtype)>& run) {
  const auto finite = [](const torch::Tensor& tensor) { return tensor.isfinite().all().item<bool>(); };
  torch::Tensor result = run(dtype);
  if (finite(result)) {
    return result;
  }
  if (dtype != torch::kFloat32) {
    log_warning(stage + " gave NaN or infinite values in " + dtype_name(dtype) + "; running it again in float32");
    result = run(torch::kFloat32);
    if (finite(result)) {
      return result;
    }
  }
  throw Error(stage + " gave NaN or infinite values in float32; the model or its settings cannot make this image");
}

}  // namespace fmboost
