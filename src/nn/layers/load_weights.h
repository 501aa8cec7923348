#pragma once

#include <string>
#include <torch/nn/module.h>

#include "fmboost/core/placement.h"
#include "fmboost/io/safetensors.h"

namespace fmboost {

/// Copies every tensor of the file whose name starts with `prefix` into the parameter or buffer of the rest of the
/// name, casting to the module's dtype. Throws ModelError listing every missing, extra and mis-shaped tensor, twenty of
/// each at most by name.
void load_strictly(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix = "");

/// The checks of load_strictly alone: nothing is read but the file's header.
void check_weights(const torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix = "");

/// What becomes of half-precision weights of linear layers and convolutions that compute in float32 on the CPU.
enum class HalfPrecisionWeights {
  cast,  ///< they are cast as all others
  /// They stay in the mapped file, and are cast whenever they are used: making gigabytes of float32 takes longer than
  /// several steps of a denoiser, casting them layer by layer a tenth of a step.
  stay
};

/// Gives the module the file's tensors, in the placement's dtype and on its device, in place of the tensors that it
/// had: one by one, so that no more than one tensor is in memory twice. What needs no cast, or is to stay, stays in the
/// mapped file and must not be written to. Convolutions on a GPU are laid out channels-last. Checks names and shapes as
/// load_strictly does, and throws ModelError naming the tensor for weights that are not numbers, not finite, or too
/// large for the dtype.
void load_into(torch::nn::Module& module, const SafetensorsFile& file, const Placement& placement,
               const std::string& prefix = "", HalfPrecisionWeights half_weights = HalfPrecisionWeights::cast);

}  // namespace fmboost
