#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fmboost {

/// The kinds of weight files that are told apart.
enum class WeightKind {
  stable_diffusion,  ///< UNet, autoencoder and CLIP text encoder, of version 1 or 2
  other_model,       ///< a model of another family, or with other inputs
  lora,
  other_adapter,  ///< another addition to a model, not supported
  autoencoder,    ///< AutoencoderKL alone
  tiny_autoencoder,
  coupling,
  component,  ///< another component of a model alone
  upscaler,
  unknown
};

struct Recognition {
  WeightKind kind = WeightKind::unknown;
  std::string what;  ///< "a Stable Diffusion 1 checkpoint"
  std::string use;   ///< what it can be used for, and how: a sentence without the period
};

/// Names and shapes of the tensors of a file.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

/// Identifies a weight file by its tensors.
Recognition detect_weights(const TensorShapes& tensors);

}  // namespace fmboost
