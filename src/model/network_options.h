#pragma once

#include "fmboost/nn/autoencoder_options.h"
#include "fmboost/nn/clip_text_options.h"
#include "fmboost/nn/default_model_options.h"
#include "fmboost/nn/unet_options.h"

#include "io/json_reader.h"

namespace fmboost {

/// The configurations of native networks, as diffusers and transformers write them in config.json. An option that would
/// change the network and that is not computed here is refused, by its name, and so is one that is not known; what only
/// concerns training or memory is read over. All throw ModelError naming the file and the field.
ClipTextOptions read_clip_text_options(const JsonReader& config);
UnetOptions read_unet_options(const JsonReader& config);
AutoencoderKlOptions read_autoencoder_kl_options(const JsonReader& config);
AutoencoderTinyOptions read_autoencoder_tiny_options(const JsonReader& config);

/// The same for the default bundle's networks, whose options are all to be given but those that older bundles lack.
ConvAutoencoderOptions read_plain_autoencoder_options(const JsonReader& config);
WordTransformerOptions read_word_transformer_options(const JsonReader& config);
PatchUnetOptions read_site_unet_options(const JsonReader& config);

}  // namespace fmboost
