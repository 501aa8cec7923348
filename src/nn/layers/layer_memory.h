#pragma once

#include "nn/layers/autoencoder_layers.h"

namespace fmboost {

/// The largest number of activations that exist at one time while the layers run on a whole image, per element of a
/// plane of the input (a pixel of an image, a latent pixel of a latent). The layers are counted as run_layers() runs
/// them without gradients; attention scores are not counted.
double peak_activations(const LayerList& layers, std::int64_t channels);

}  // namespace fmboost
