#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// Configurations as diffusers and transformers write them, for files without one: derived from the shapes, and
/// constant where all models of the kind agree. `tensors` have the names of diffusers. Throws ModelError naming the
/// tensor of such a network that is missing from `origin`.

/// The number of heads is not visible in the shapes: 8 on every level if tokens are projected by convolutions (Stable
/// Diffusion 1), else one per 64 channels (2).
nlohmann::json unet_config(const Weights& tensors, const std::string& origin);

/// AutoencoderKL, with the scale of Stable Diffusion 1 and 2.
nlohmann::json autoencoder_config(const Weights& tensors, const std::string& origin);

/// AutoencoderTiny.
nlohmann::json tiny_autoencoder_config(const Weights& tensors, const std::string& origin);

/// CLIP, one head per 64 channels. `activation`: quick_gelu or gelu.
nlohmann::json text_config(const Weights& tensors, const std::string& origin, const std::string& activation);

}  // namespace fmboost
