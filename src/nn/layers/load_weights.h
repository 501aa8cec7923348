#pragma once

#include <string>
#include <torch/nn/module.h>

#include "fmboost/core/placement.h"
#include "fmboost/io/safetensors.h"

namespace fmboost {

/// Copies every tensor of the file whose name starts with `prefix` into the parameter or buffer with the rest of the
/// name, cast to the dtype of the module. Throws ModelError listing missing, extra and mis-shaped tensors, at most
/// twenty names of each.
void load_strictly(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix = "");

/// The checks of load_strictly() only: reads nothing but the header of the file.
void check_weights(const torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix = "");

/// How half-precision weights of linear layers and convolutions are handled that compute in float32 on the CPU.
enum class HalfPrecisionWeights {
  cast,  ///< cast to float32 when loaded
  /// Left in the mapped file and cast whenever they are used: writing gigabytes of float32 takes longer than several
  /// steps of a denoiser, whereas casting layer by layer takes a tenth of a step.
  stay
};

/// Replaces the tensors of the module by those of the file, with the dtype and device of the placement: one by one, so
/// that at most one tensor is in memory twice. Tensors that need no cast, or that stay in half precision, remain in the
/// mapped file and must not be written to. Convolutions on a GPU are channels-last. Checks names and shapes like
/// load_strictly(), and throws ModelError naming the tensor for weights that are not floating-point, not finite, or out
/// of the range of the dtype.
void load_into(torch::nn::Module& module, const SafetensorsFile& file, const Placement& placement,
               const std::string& prefix = "", HalfPrecisionWeights half_weights = HalfPrecisionWeights::cast);

}  // namespace fmboost
