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

/// A network on its way into a bundle: tensors under the names, and a configuration under the keys, that diffusers and
/// transformers have.
struct ImportedPart {
  std::string origin;  ///< the file or folder that it comes from
  Weights weights;
  nlohmann::json config;
};

struct ImportedModel {
  std::string what;
  std::string name;
  ImportedPart unet, autoencoder, text_encoder;
  TokenizerFiles tokenizer;
  std::string scheduler;  ///< content of scheduler_config.json
  std::string scheduler_origin;
  std::int64_t native_latent_pixels = 64;  ///< latent pixels a side that it was trained at
  std::vector<std::string> notices;
  std::vector<UnusedTensors> unused;
};

/// Names, with `prefix` in front, and shapes, for detect_weights().
TensorShapes shapes_of(const Weights& tensors, const std::string& prefix = "");

/// Throws ModelError that says what it is instead.
void refuse_other_families(const std::filesystem::path& source, const Recognition& found);

/// Throws ModelError for files that hold Python objects, with the command that converts them, and for what is no
/// .safetensors file by its name.
void refuse_pickle(const std::filesystem::path& file);

/// One .safetensors file with everything in it, in the original layout or diffusers', part by part.
ImportedModel load_checkpoint(const std::filesystem::path& file, const SamplingChoices& choices);

/// A folder in diffusers' layout.
ImportedModel load_diffusers_folder(const std::filesystem::path& folder);

/// One part of such a folder, or a folder that holds that part alone: config.json beside the weights, which may be a
/// variant ("fp16") or split.
ImportedPart load_part_folder(const std::filesystem::path& folder);

/// An autoencoder alone: a file in the original layout or diffusers', a folder, or the one inside a whole checkpoint.
ImportedPart load_autoencoder(const std::filesystem::path& source, std::vector<UnusedTensors>& unused);

/// Brings the names of an autoencoder's tensors up to date, whichever layout they are in, and derives its configuration
/// where `config` is null.
ImportedPart make_autoencoder(Weights tensors, const std::string& origin, nlohmann::json config);

/// Takes out what is known to belong to training.
void take_unused(Weights& tensors, std::vector<UnusedTensors>& unused);

}  // namespace fmboost
