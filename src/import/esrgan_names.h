#pragma once

#include <optional>
#include <string>
#include <variant>

#include "fmboost/nn/esrgan_options.h"

#include "import/weights.h"

namespace fmboost {

/// An ESRGAN-family network under the names of BasicSR, with the configuration that its shapes tell.
struct EsrganWeights {
  Weights tensors;
  std::variant<RrdbNetOptions, SrvggNetOptions> network;
};

/// Recognizes an RRDBNet by the names of Real-ESRGAN (body.0.rdb1...), of the first ESRGAN (model.1.sub.0.RDB1...) and
/// of early BasicSR (RRDB_trunk.0.RDB1...), or an SRVGGNetCompact (body.0, body.1, ...), under the prefixes
/// "params_ema.", "params.", "state_dict.", "model." and "module." or none; of a file with "params_ema" and "params",
/// the former. Empty for other networks. Throws ModelError, with `origin`, if tensors are missing or not known.
std::optional<EsrganWeights> esrgan_weights(Weights tensors, const std::string& origin);

}  // namespace fmboost
