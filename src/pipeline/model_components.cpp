#include "fmboost/pipeline/model_components.h"

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {

ModelComponents::ModelComponents(Bundle bundle, Placement placement)
    : bundle_(std::move(bundle)), placement_(placement) {
  if (manifest().autoencoder) {
    autoencoder_memory_ = estimate_memory(*manifest().autoencoder, placement_.dtype);
  }
}

template <typename Component, typename Load>
Component& ModelComponents::get(Slot<Component>& slot, torch::ScalarType dtype, const Load& load) {
  if (!slot.component || slot.dtype != dtype) {
    slot.component.reset();  // the old one is freed before the new one is loaded
    slot.component = load(Placement{placement_.device, dtype});
    slot.dtype = dtype;
  }
  return *slot.component;
}

TextEncoder& ModelComponents::text_encoder(torch::ScalarType dtype) {
  return get(text_encoder_, dtype, [&](const Placement& p) { return bundle_.load_text_encoder(p); });
}

Denoiser& ModelComponents::denoiser(torch::ScalarType dtype) {
  return get(denoiser_, dtype, [&](const Placement& p) { return bundle_.load_denoiser(p); });
}

Autoencoder& ModelComponents::autoencoder(torch::ScalarType dtype) {
  Autoencoder& autoencoder = get(autoencoder_, dtype, [&](const Placement& p) { return bundle_.load_autoencoder(p); });
  if (!autoencoder_memory_ && dtype == placement_.dtype) {
    autoencoder_memory_ =
        AutoencoderMemory{.bytes_per_pixel = autoencoder.bytes_per_pixel(), .strip_bytes_per_pixel = {}};
  }
  return autoencoder;
}

PixelUpscaler& ModelComponents::pixel_upscaler(torch::ScalarType dtype) {
  return get(pixel_upscaler_, dtype, [&](const Placement& p) { return bundle_.load_pixel_upscaler(p); });
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
    log_warning(stage + " gave NaN or infinite values in " + dtype_name(dtype) + "; repeating it in float32");
    result = run(torch::kFloat32);
    if (finite(result)) {
      return result;
    }
  }
  throw Error(stage + " gave NaN or infinite values in float32; this model cannot make the image with these settings");
}

}  // namespace fmboost
