#pragma once

#include <nlohmann/json_fwd.hpp>

#include "fmboost/nn/cfm_unet_options.h"

#include "io/json_reader.h"

namespace fmboost {

/// Reads the fields of CfmUnetOptions; missing ones keep their defaults. Throws ModelError naming the field for an
/// unknown field, a wrong type or a value out of range.
CfmUnetOptions read_cfm_unet_options(const JsonReader& reader);
nlohmann::json to_json(const CfmUnetOptions& options);

}  // namespace fmboost
