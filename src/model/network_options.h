#pragma once

#include "fmboost/nn/autoencoder_options.h"
#include "fmboost/nn/clip_text_options.h"
#include "fmboost/nn/default_model_options.h"
#include "fmboost/nn/esrgan_options.h"
#include "fmboost/nn/unet_options.h"

#include "io/json_reader.h"

namespace fmboost {

/// Read the configurations of native networks, as diffusers and transformers write them in config.json. Unknown
/// options, and unsupported ones that would change the network, are errors; options that only affect training or memory
/// are ignored. All throw ModelError naming the file and the field.
ClipTextOptions read_clip_text_options(const JsonReader& config);
UnetOptions read_unet_options(const JsonReader& config);
AutoencoderKlOptions read_autoencoder_kl_options(const JsonReader& config);
AutoencoderTinyOptions read_autoencoder_tiny_options(const JsonReader& config);
RrdbNetOptions read_rrdb_net_options(const JsonReader& config);
SrvggNetOptions read_srvgg_net_options(const JsonReader& config);

/// The same for the networks of the default bundle. All options are required except those that older bundles lack.
ConvAutoencoderOptions read_conv_autoencoder_options(const JsonReader& config);
WordTransformerOptions read_word_transformer_options(const JsonReader& config);
PatchUnetOptions read_patch_unet_options(const JsonReader& config);

}  // namespace fmboost
