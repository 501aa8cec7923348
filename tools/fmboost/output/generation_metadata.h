#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "fmboost/pipeline/generate.h"

#include "cli/common_options.h"

namespace fmboost::tool {

/// A model as the metadata of an image identify it.
struct ModelIdentity {
  std::string name;
  std::string hash;  ///< SHA-256 of its bundle.json
};

/// Everything that determines a generated image, as its `fmboost` text holds it.
struct GenerationMetadata {
  GenerateRequest request;
  ModelIdentity model;
  std::optional<ModelIdentity> upscaler;
  RunOptions run;  ///< device, dtype and threads
  TileOptions tiles;
  OutputOptions output;  ///< quality
};

/// The JSON text: {"schema": 1, "command": "generate", ...}; ASCII, keys sorted after "schema".
std::string to_text(const GenerationMetadata& metadata);

/// The inverse. Throws UsageError for damaged texts and for those of a newer schema.
GenerationMetadata parse_generation_metadata(const std::string& text, const std::string& origin);

/// Reads the metadata of an image that `generate` made. Throws UsageError when it has none.
GenerationMetadata read_generation_metadata(const std::filesystem::path& image);

/// The text that A1111-style readers parse.
std::string parameters_text(const GeneratePlan& plan, const GenerationMetadata& metadata);

}  // namespace fmboost::tool
