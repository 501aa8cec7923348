#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// Configurations as diffusers and transformers write them, for files that have none: what the shapes tell, and what
/// all models of their kind share. `tensors` carry diffusers' names. Throws ModelError naming the tensor that a network
/// of the kind would have and `origin` lacks.

/// Heads are told by no shape: 8 everywhere where tokens are projected by convolutions (Stable Diffusion 1), else one
/// for every 64 channels (2).
nlohmann::json unet_config(const Weights& tensors, const std::string& origin);

/// AutoencoderKL, with the scale of Stable Diffusion 1 and 2.
nlohmann::json autoencoder_config(const Weights& tensors, const std::string& origin);

/// AutoencoderTiny.
nlohmann::json tiny_autoencoder_config(const Weights& tensors, const std::string& origin);

/// CLIP, one head for every 64 channels. `activation`: quick_gelu or gelu.
nlohmann::json text_config(const Weights& tensors, const std::string& origin, const std::string& activation);

}  // namespace fmboost
