#pragma once

#include <filesystem>

#include "fmboost/model/manifest.h"

namespace fmboost {

/// Throws before any work is done: ModelError when the folder is no bundle or its latents have another number of
/// channels than the network, Error when it cannot be written to, UsageError when it has a coupling of this factor for
/// these images and `replace` is false.
void check_coupling_fits(const std::filesystem::path& bundle, const CouplingEntry& coupling, bool replace);

/// Copies a coupling's weights into the bundle, as cfm-<factor>x.safetensors or a name with its hash where that is
/// taken (the file of another factor, where its weights are the same), and writes its entry into bundle.json, so that
/// it is used for its images; those of the same factor that have no images left to upscale leave the list.
/// bundle.json changes in one step, after the weights are there; a file that no entry names any more is removed.
/// `coupling.weights` is filled in. Returns the file's path inside the bundle.
std::filesystem::path add_coupling(const std::filesystem::path& bundle, const std::filesystem::path& weights,
                                   const CouplingEntry& coupling, bool replace);

}  // namespace fmboost
