#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "import/weights.h"

namespace fmboost {

/// A coupling network to write into a bundle.
struct CouplingSource {
  Weights weights;
  nlohmann::json network;  ///< its configuration
  int noising_step = 400;
};

/// Reads a file with its configuration in the metadata, and checks it against latents of `channels`. Throws ModelError
/// naming the file and the mismatch.
CouplingSource open_coupling(const std::filesystem::path& file, std::int64_t channels);

/// The entries in bundle.json, one per factor, without the hash of the file: the published solver and path.
nlohmann::json coupling_entries(const CouplingSource& source, const std::vector<std::int64_t>& factors,
                                const std::string& file);

}  // namespace fmboost
