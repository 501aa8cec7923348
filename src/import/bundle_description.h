#pragma once

#include "import/imported_model.h"

namespace fmboost {

constexpr const char* kUnetFile = "denoiser.safetensors";
constexpr const char* kTextFile = "text_encoder.safetensors";
constexpr const char* kAutoencoderFile = "autoencoder.safetensors";

/// bundle.json of a model, but for the tokenizer's files and the couplings; hashes are zeros, in form only. Values that
/// come from configurations are as they were there, for parse_manifest to check. Throws ModelError where the
/// scheduler's configuration has no equal here.
nlohmann::json describe_bundle(const ImportedModel& model, const ImportOptions& options);

}  // namespace fmboost
