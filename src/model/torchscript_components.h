#pragma once

#include <filesystem>
#include <memory>

#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// Factories of the "torchscript" backend. Each loads, checks and probes its program at a small size.
std::unique_ptr<TextEncoder> make_torchscript_text_encoder(const std::filesystem::path& file,
                                                           const TextEncoderEntry& entry, std::int64_t max_length,
                                                           const Placement& placement);
std::unique_ptr<Denoiser> make_torchscript_denoiser(const std::filesystem::path& file, const DenoiserEntry& entry,
                                                    std::int64_t factor, std::int64_t max_length, std::int64_t width,
                                                    const Placement& placement);
std::unique_ptr<Autoencoder> make_torchscript_autoencoder(const std::filesystem::path& encoder,
                                                          const std::filesystem::path& decoder,
                                                          const AutoencoderEntry& entry, const Placement& placement);

/// The number of input tensors of each program.
inline constexpr std::size_t kTextEncoderInputs = 1;
inline constexpr std::size_t kAutoencoderInputs = 1;
inline std::size_t denoiser_inputs(const DenoiserEntry& entry) {
  return entry.guidance_embedding ? 4 : 3;
}

}  // namespace fmboost
