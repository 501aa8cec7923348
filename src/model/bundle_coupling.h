#pragma once

#include <filesystem>

#include "fmboost/model/manifest.h"

namespace fmboost {

/// Checks in advance that the coupling can be added. Throws ModelError if the folder is not a bundle or its latents
/// have another number of channels than the network, Error if it is not writable, and UsageError if it has a coupling
/// of this factor for these images and `replace` is false.
void check_coupling_fits(const std::filesystem::path& bundle, const CouplingEntry& coupling, bool replace);

/// Copies the weights of a coupling into the bundle and adds its entry to bundle.json. The file is
/// cfm-<factor>x.safetensors, or a name with its hash if that one exists; an existing file with the same weights is
/// reused. Couplings of the same factor that the new one replaces completely are removed. bundle.json is replaced
/// atomically after the weights are written; files that are no longer named are removed. `coupling.weights` is ignored.
/// Returns the path of the file inside the bundle.
std::filesystem::path add_coupling(const std::filesystem::path& bundle, const std::filesystem::path& weights,
                                   const CouplingEntry& coupling, bool replace);

}  // namespace fmboost
