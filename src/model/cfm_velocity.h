#pragma once

#include <filesystem>
#include <memory>

#include "fmboost/model/components.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// The native CFM UNet with the weights of a .safetensors file.
std::unique_ptr<VelocityNetwork> make_cfm_velocity(const std::filesystem::path& file, const CouplingEntry& entry,
                                                   const Placement& placement);

/// Checks the metadata of the file against the network in the manifest, and the name and shape of every tensor.
void check_cfm_weights(const std::filesystem::path& file, const CouplingEntry& entry);

}  // namespace fmboost
