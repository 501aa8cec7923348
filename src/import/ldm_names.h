#pragma once

#include <string>
#include <vector>

#include "import/weights.h"

namespace fmboost {

/// From the names of the original layout (https://github.com/CompVis/latent-diffusion) to those of diffusers and
/// transformers, which the native networks have. A network's depth is read from the names themselves. Names that are
/// not known stay as they are, so that a later check can name them.

/// `names`: without "model.diffusion_model.". Returns their new names in the same order.
std::vector<std::string> diffusers_unet_names(const std::vector<std::string>& names);

/// `names`: without "first_stage_model."
std::vector<std::string> diffusers_autoencoder_names(const std::vector<std::string>& names);

/// The tensors of the parts, renamed, and reshaped where a layer is a convolution in one layout and a matrix in the
/// other. Folders of diffusers pass through with the names of its older versions brought up to date.
Weights to_diffusers_unet(Weights tensors);
Weights to_diffusers_autoencoder(Weights tensors);

/// CLIP's text transformer, with or without "text_model." in front.
Weights to_transformers_text(Weights tensors);

/// OpenCLIP's text transformer, as Stable Diffusion 2 has it ("cond_stage_model.model." taken off): the fused
/// projections are split. The last block is left in `rest`, since the model reads the states before it, and so is what
/// the model does not read.
Weights openclip_to_transformers_text(Weights tensors, Weights& rest);

}  // namespace fmboost
