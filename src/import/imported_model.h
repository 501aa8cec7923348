#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fmboost/import/detect_weights.h"
#include "fmboost/import/import_model.h"

#include "import/tokenizer_files.h"
#include "import/weights.h"

namespace fmboost {

/// A network to write into a bundle: its tensors and its configuration, with the names of diffusers and transformers.
struct ImportedComponent {
  std::string origin;  ///< the source file or folder
  Weights weights;
  nlohmann::json config;
};

struct ImportedModel {
  std::string what;
  std::string name;
  ImportedComponent unet, autoencoder, text_encoder;
  TokenizerFiles tokenizer;
  std::string scheduler;  ///< content of scheduler_config.json
  std::string scheduler_origin;
  std::int64_t native_latent_pixels = 64;  ///< side in latent pixels of the training images
  std::vector<std::string> notices;
  std::vector<UnusedTensors> unused;
};

/// Names, with `prefix` added, and shapes, for detect_weights().
TensorShapes shapes_of(const Weights& tensors, const std::string& prefix = "");

/// Why Stable Diffusion XL is not supported.
inline constexpr const char* kMissingForXl =
    "it is not supported: it needs a second text encoder (OpenCLIP bigG), and a UNet with its pooled state and the "
    "image "
    "size as inputs";

/// Throws ModelError naming the kind of model unless it is Stable Diffusion 1 or 2.
void refuse_other_families(const std::filesystem::path& source, const Recognition& found);

/// Throws ModelError unless the file begins as one of torch.save does, or has the suffix .safetensors.
void check_weight_file(const std::filesystem::path& file);

/// Reads a .safetensors file of a whole model, in the original or the diffusers layout.
ImportedModel load_checkpoint(const std::filesystem::path& file, const SamplingChoices& choices);

/// Reads a folder in the diffusers layout.
ImportedModel load_diffusers_folder(const std::filesystem::path& folder);

/// Reads the folder of one component: config.json and the weights, which may be a variant ("fp16") or split.
ImportedComponent load_component_folder(const std::filesystem::path& folder);

/// Reads an autoencoder: a file in the original or the diffusers layout, a folder, or that of a whole checkpoint.
ImportedComponent load_autoencoder(const std::filesystem::path& source, std::vector<UnusedTensors>& unused);

/// Throws ModelError naming the family if an autoencoder's configuration tells that its latents are of another one.
void refuse_other_latents(const ImportedComponent& autoencoder);

/// Converts the tensor names of an autoencoder from any layout to the current ones, and derives its configuration if
/// `config` is null.
ImportedComponent make_autoencoder(Weights tensors, const std::string& origin, nlohmann::json config);

/// Removes the projection of the text encoder and its scale, which Stable Diffusion 1 and 2 do not use, and position
/// ids.
void take_unused_text(ImportedModel& model);

/// Removes settings that are no parameters of the network's class in diffusers (those of EMA, training scripts, and
/// other programs), which diffusers ignores too, and adds a notice that names them.
void drop_foreign_settings(nlohmann::json& config, const std::string& origin, std::vector<std::string>& notices);

/// Moves tensors that are known to be used in training only to `unused`.
void take_unused(Weights& tensors, std::vector<UnusedTensors>& unused);

}  // namespace fmboost
