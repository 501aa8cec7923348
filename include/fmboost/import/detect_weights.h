#pragma once

#include <cstdint>
#include <filesystem>
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
  upscaler,  ///< of pixels: ESRGAN's family
  unknown
};

struct Recognition {
  WeightKind kind = WeightKind::unknown;
  std::string what;  ///< "a Stable Diffusion 1 checkpoint"
  std::string use;   ///< what it can be used for, and how: a sentence without the period
};

/// Names and shapes of the tensors of a file.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

struct WeightTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
};

/// What a weight file contains: .safetensors, or a file of torch.save, which is read without running anything in it.
struct WeightFileContent {
  std::map<std::string, WeightTensor> tensors;
  std::map<std::string, std::string> metadata;
  Recognition recognition;
};

/// Whether a file is .safetensors by its suffix or begins as one of torch.save does.
bool is_weight_file(const std::filesystem::path& file);

/// Reads names, types and shapes. Throws ModelError naming the file and the damage.
WeightFileContent read_weight_file(const std::filesystem::path& file);

/// Identifies a weight file by its tensors.
Recognition detect_weights(const TensorShapes& tensors);

}  // namespace fmboost
