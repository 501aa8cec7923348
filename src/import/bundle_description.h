#pragma once

#include "import/imported_model.h"

namespace fmboost {

constexpr const char* kUnetFile = "denoiser.safetensors";
constexpr const char* kTextFile = "text_encoder.safetensors";
constexpr const char* kAutoencoderFile = "autoencoder.safetensors";

/// bundle.json of a model, without the tokenizer files and the couplings, and with zeros as hashes. Values from
/// configurations are copied unchecked: parse_manifest() checks them. Throws ModelError if the configuration of the
/// scheduler is not supported.
nlohmann::json describe_bundle(ImportedModel& model, const ImportOptions& options);

}  // namespace fmboost
