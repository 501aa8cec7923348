#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/import/sampling_choices.h"

namespace fmboost {

struct LoraChoice {
  std::filesystem::path file;
  double weight = 1.0;
};

/// Parses "FILE" or "FILE:WEIGHT". If the whole text names an existing file, it is taken as such; without a
/// weight, `weight` is. Throws UsageError naming `option`.
LoraChoice parse_lora_choice(const std::string& text, const std::string& option = "lora", double weight = 1.0);

struct ImportOptions {
  std::filesystem::path source;   ///< a .safetensors or PyTorch file, or a folder in the diffusers layout
  std::filesystem::path vae;      ///< file or folder of an autoencoder that replaces the source's; empty for none
  std::vector<LoraChoice> loras;  ///< merged in this order
  /// A pixel upscaler (ESRGAN's family) that is added to the bundle of a model; empty for none.
  std::filesystem::path pixel_upscaler;
  /// Another pixel upscaler of the same shapes: weights = (1 - weight) source + weight other. Empty file for none.
  LoraChoice interpolate{.file = {}, .weight = 0.5};
  std::filesystem::path cfm;      ///< file of a coupling network; empty for none
  std::vector<std::int64_t> cfm_factors;   ///< upscaling factors, one coupling each; empty for 2
  std::optional<int> cfm_noising_step;     ///< none: that of the file, else 400 as published; 0: no noise
  std::optional<torch::ScalarType> dtype;  ///< dtype of the stored weights; none: as in the source
  SamplingChoices sampling;
  std::optional<std::int64_t> native_size;  ///< side in pixels of the training images
  std::optional<int> clip_skip;             ///< text encoder layer, counted from the last, 1; none: that of the source
  std::string name;                         ///< empty: that of the source
  std::string license;

  /// Throws UsageError naming the option that is out of range.
  void check() const;
};

/// Tensors of the source that are not part of the bundle, and why.
struct UnusedTensors {
  std::string reason;
  std::vector<std::string> names;
};

struct ImportedFile {
  std::string file;  ///< path within the bundle
  std::size_t tensors = 0;
  std::int64_t bytes = 0;
};

struct ImportReport {
  std::string what;  ///< "a Stable Diffusion 1 checkpoint in the original layout"
  std::vector<std::string> notices;
  std::vector<ImportedFile> files;
  std::vector<UnusedTensors> unused;
};

/// Makes a bundle of native networks in `folder`, which must exist and be empty. `progress` is called with the name of
/// each weight file before it is written. No code of the source is run, and only the tensor being written is in memory.
/// Throws ModelError naming file and tensor if the source is damaged, incomplete, inconsistent or of another family,
/// and UsageError for inconsistent options.
ImportReport import_model(const ImportOptions& options, const std::filesystem::path& folder,
                          const std::function<void(const std::string& file)>& progress = {});

}  // namespace fmboost
