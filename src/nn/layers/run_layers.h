#pragma once

#include "nn/layers/autoencoder_layers.h"

namespace fmboost {

/// Runs all layers on the whole image or, with `strips`, strip by strip and without gradients. The result is the same:
/// norms use the statistics of the whole image, attention is computed on the whole image, and convolutions read the
/// rows around a strip.
torch::Tensor run_layers(const LayerList& layers, torch::Tensor x, const StripLimits* strips);

}  // namespace fmboost
