#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fmboost {

/// What a weight file may be, as far as it matters here.
enum class WeightKind {
  stable_diffusion,  ///< UNet, autoencoder and CLIP text encoder, of version 1 or 2
  other_model,       ///< a model of another family, or one with other inputs
  lora,
  other_adapter,  ///< what is added to a model and cannot be used here
  autoencoder,    ///< AutoencoderKL alone
  tiny_autoencoder,
  coupling,
  part,  ///< another part of a model alone
  upscaler,
  unknown
};

struct Recognition {
  WeightKind kind = WeightKind::unknown;
  std::string what;  ///< "a Stable Diffusion 1 checkpoint"
  std::string use;   ///< what of it can be used, and how: a sentence without its full stop
};

/// Names and shapes of a file's tensors, which is all that is looked at.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

/// Why Stable Diffusion XL is of no use here.
inline constexpr const char* kMissingForXl =
    "nothing of it can be used here: there is no second text encoder (OpenCLIP's bigG), and its pooled state and the "
    "image's sizes are no inputs of the UNet";

Recognition detect_weights(const TensorShapes& tensors);

}  // namespace fmboost
