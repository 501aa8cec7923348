#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fmboost/pipeline/generate.h"

#include "settings/settings.h"

namespace fmboost::tool {

// The settings that flags, JSON lines of --prompts, the metadata in an image and the help have in common. Each table
// is the only list of its settings.

/// Of one image: prompt, size, sampling, and the flow's settings.
const std::vector<Setting<GenerateRequest>>& request_settings();
/// Of the couplings, for every command that upscales.
const std::vector<Setting<FlowOptions>>& flow_settings();
/// Of tiling, for every command that upscales.
const std::vector<Setting<TileOptions>>& tile_settings();

/// Reads an object of settings; `origin` names its place in messages. Throws UsageError for a wrong value or an
/// unknown key.
void read_settings(const nlohmann::json& source, const std::string& origin, GenerateRequest& request);

}  // namespace fmboost::tool
