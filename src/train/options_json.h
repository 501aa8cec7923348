#pragma once

#include <nlohmann/json_fwd.hpp>

#include "fmboost/train/options.h"

namespace fmboost {

/// Every field under its name, nested like the structs.
nlohmann::json to_json(const TrainOptions& options);

}  // namespace fmboost
