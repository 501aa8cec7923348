#pragma once

#include <string>
#include <vector>

#include "import/weights.h"

namespace fmboost {

/// Converts names of the original layout (https://github.com/CompVis/latent-diffusion) to those of diffusers and
/// transformers, which the native networks use. The depth of a network follows from the names. Unknown names are left
/// unchanged, so that a later check can report them.

/// `names`: without "model.diffusion_model.". Returns the new names in the same order.
std::vector<std::string> diffusers_unet_names(const std::vector<std::string>& names);

/// `names`: without "first_stage_model."
std::vector<std::string> diffusers_autoencoder_names(const std::vector<std::string>& names);

/// Renames the tensors of a component, and reshapes those of layers that are a convolution in one layout and a matrix
/// in the other. Tensors in the diffusers layout only have the names of older versions updated.
Weights to_diffusers_unet(Weights tensors);
Weights to_diffusers_autoencoder(Weights tensors);

/// The text transformer of CLIP, with or without the prefix "text_model.".
Weights to_transformers_text(Weights tensors);

/// The text transformer of OpenCLIP, as in Stable Diffusion 2 (without "cond_stage_model.model."): the fused
/// projections are split. The last block is left in `rest`, since the model uses the states before it, and so are
/// unused tensors.
Weights openclip_to_transformers_text(Weights tensors, Weights& rest);

}  // namespace fmboost
