#pragma once

#include <filesystem>
#include <memory>

#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// Factories of the "native" backend. Each builds the network of the configuration and loads the tensors of the
/// .safetensors file. Throws ModelError naming tensors that are missing, unknown or of another shape.
std::unique_ptr<TextEncoder> make_native_text_encoder(const std::filesystem::path& file, const TextEncoderEntry& entry,
                                                      const Placement& placement);
std::unique_ptr<Denoiser> make_native_denoiser(const std::filesystem::path& file, const DenoiserEntry& entry,
                                               const Placement& placement);
std::unique_ptr<Autoencoder> make_native_autoencoder(const std::filesystem::path& file, const AutoencoderEntry& entry,
                                                     const Placement& placement);

/// Checks the name and shape of every tensor, without reading any.
void check_native_weights(const std::filesystem::path& file, const TextEncoderEntry& entry);
void check_native_weights(const std::filesystem::path& file, const DenoiserEntry& entry);
void check_native_weights(const std::filesystem::path& file, const AutoencoderEntry& entry);

}  // namespace fmboost
