#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/import/sampling.h"

namespace fmboost {

struct LoraChoice {
  std::filesystem::path file;
  double weight = 1.0;
};

/// "FILE" or "FILE:WEIGHT". A file whose own name has a colon is recognized where it exists. Throws UsageError.
LoraChoice parse_lora_choice(const std::string& text);

struct ImportOptions {
  std::filesystem::path source;            ///< a .safetensors file, or a folder in diffusers' layout
  std::filesystem::path vae;               ///< an autoencoder in place of the source's: file or folder; empty: none
  std::vector<LoraChoice> loras;           ///< merged in this order
  std::filesystem::path cfm;               ///< a coupling network; empty: none
  std::vector<std::int64_t> cfm_factors;   ///< how much it upscales, a coupling each; empty: 2
  std::optional<int> cfm_noising_step;     ///< none: the file's, else 400 as published; 0: no noise
  std::optional<torch::ScalarType> dtype;  ///< how weights are stored; none: as they were
  SamplingChoices sampling;
  std::optional<std::int64_t> native_size;  ///< pixels a side that it was trained at
  std::optional<int> clip_skip;             ///< layer of the text encoder from the end, 1: the last; none: the source's
  std::string name;                         ///< empty: the source's
  std::string license;

  /// Throws UsageError naming the option that is out of range.
  void check() const;
};

/// Tensors of a source that went nowhere, and why.
struct UnusedTensors {
  std::string reason;
  std::vector<std::string> names;
};

struct ImportedFile {
  std::string file;  ///< within the bundle
  std::size_t tensors = 0;
  std::int64_t bytes = 0;
};

struct ImportReport {
  std::string what;  ///< "a Stable Diffusion 1 checkpoint in the original layout"
  std::vector<std::string> notices;
  std::vector<ImportedFile> files;
  std::vector<UnusedTensors> unused;
};

/// Makes a bundle of native networks in `folder`, which must exist and be empty. `progress` is told every file of
/// weights before it is written. No code of the source is run, and no tensor is in memory but the one being written.
/// Throws ModelError naming file and tensor for what is unsound, of another family, incomplete or does not fit
/// together, UsageError for options that do not go together.
ImportReport import_model(const ImportOptions& options, const std::filesystem::path& folder,
                          const std::function<void(const std::string& file)>& progress = {});

}  // namespace fmboost
