#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fmboost/pipeline/generate.h"

namespace fmboost::tool {

/// A model as an image's metadata name it.
struct ModelIdentity {
  std::string name;
  std::string hash;  ///< SHA-256 of its bundle.json
};

/// Everything that made an image, as its `fmboost` text holds it.
struct GenerationMetadata {
  GenerateRequest request;
  ModelIdentity model;
  std::optional<ModelIdentity> upscaler;
  std::string device;
  std::string dtype;
  int threads = 0;
  TileOptions tiles;
  int quality = 95;
};

/// The JSON text: {"schema": 1, "command": "generate", ...}; ASCII, keys sorted after "schema".
std::string to_text(const GenerationMetadata& metadata);

/// The inverse. Throws UsageError naming what is missing or of a newer schema.
GenerationMetadata parse_generation_metadata(const std::string& text, const std::string& origin);

/// Reads the metadata of an image that `generate` made. Throws UsageError when it holds none.
GenerationMetadata read_generation_metadata(const std::filesystem::path& image);

/// The text that A1111-style readers parse.
std::string parameters_text(const GeneratePlan& plan, const GenerationMetadata& metadata);

/// A request's settings from and to JSON; `origin` names the place in messages. Keys that are not settings throw.
void read_settings(const nlohmann::json& json, const std::string& origin, GenerateRequest& request);
nlohmann::json settings_json(const GenerateRequest& request);

}  // namespace fmboost::tool
