#pragma once

#include <filesystem>
#include <memory>

#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// Factories of the "native" backend. Each builds the network that the entry's configuration describes and loads the
/// tensors of the .safetensors file into it; ModelError names tensors that are missing, unknown or of the wrong shape.
std::unique_ptr<TextEncoder> make_native_text_encoder(const std::filesystem::path& file, const TextEncoderEntry& entry,
                                                      const Placement& placement);
std::unique_ptr<Denoiser> make_native_denoiser(const std::filesystem::path& file, const DenoiserEntry& entry,
                                               const Placement& placement);
std::unique_ptr<Autoencoder> make_native_autoencoder(const std::filesystem::path& file, const AutoencoderEntry& entry,
                                                     const Placement& placement);

std::unique_ptr<PixelUpscaler> make_pixel_upscaler(const std::filesystem::path& file, const PixelUpscalerEntry& entry,
                                                   const Placement& placement);

/// Check the name and shape of every tensor without reading its values.
void check_native_weights(const std::filesystem::path& file, const TextEncoderEntry& entry);
void check_native_weights(const std::filesystem::path& file, const DenoiserEntry& entry);
void check_native_weights(const std::filesystem::path& file, const AutoencoderEntry& entry);
void check_native_weights(const std::filesystem::path& file, const PixelUpscalerEntry& entry);

}  // namespace fmboost
