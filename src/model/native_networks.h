#pragma once

#include "fmboost/model/manifest.h"

#include "io/json_reader.h"

namespace fmboost {

/// Reads the `config` of a component with the backend "native". Throws ModelError naming the field if it does not
/// describe a network for the component.
decltype(TextEncoderEntry::network) read_text_network(const JsonReader& config);
decltype(DenoiserEntry::network) read_denoiser_network(const JsonReader& config);
decltype(AutoencoderEntry::network) read_autoencoder_network(const JsonReader& config);
decltype(PixelUpscalerEntry::network) read_pixel_upscaler_network(const JsonReader& config);

/// Checks that widths, channels and factors of the configurations match those in the manifest. Throws ModelError naming
/// both values; `origin` names the file.
void check_networks_fit(const Manifest& manifest, const std::string& origin);

}  // namespace fmboost
