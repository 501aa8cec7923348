#pragma once

#include "nn/layers/autoencoder_layers.h"

namespace fmboost {

/// All layers on the whole image; or, where there are `strips`, strip by strip and without gradients: norms know the
/// statistics of the whole image, attention has it as a whole, and convolutions see the rows around a strip, so that
/// the result is the same.
torch::Tensor run_layers(const LayerList& layers, torch::Tensor x, const StripLimits* strips);

}  // namespace fmboost
