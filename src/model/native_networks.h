#pragma once

#include "fmboost/model/manifest.h"

#include "io/json_reader.h"

namespace fmboost {

/// The `config` of a part whose backend is "native". Throws ModelError naming the field where it describes no network
/// that can be that part.
decltype(TextEncoderEntry::network) read_text_network(const JsonReader& config);
decltype(DenoiserEntry::network) read_denoiser_network(const JsonReader& config);
decltype(AutoencoderEntry::network) read_autoencoder_network(const JsonReader& config);

/// Compares the configurations with what the manifest says of the parts: widths, channels, factors. Throws ModelError
/// naming both values; `origin` names the file.
void check_networks_fit(const Manifest& manifest, const std::string& origin);

}  // namespace fmboost
