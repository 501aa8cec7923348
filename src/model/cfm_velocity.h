#pragma once

#include <filesystem>
#include <memory>

#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// The native CFM UNet with the weights of a .safetensors file, as the pipeline's velocity network.
std::unique_ptr<VelocityNetwork> make_cfm_velocity(const std::filesystem::path& file, const CouplingEntry& entry,
                                                   const Placement& placement);

/// Checks that the file's metadata agree with the manifest's network, and every tensor's name and shape.
void check_cfm_weights(const std::filesystem::path& file, const CouplingEntry& entry);

}  // namespace fmboost
