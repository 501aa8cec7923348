#pragma once

#include <filesystem>
#include <vector>

#include "report.h"

namespace fmboost::parity {

/// Everything in a folder of references, sorted by name; a README.md is left out. Throws Error when the folder is
/// missing or holds nothing else.
std::vector<std::filesystem::path> reference_entries(const std::filesystem::path& folder);

/// Runs the library on what the file says and compares every number in it. The start of the name says what kind of
/// file it is; configurations come from its metadata and its tensors' names. Never throws: what could not be read or
/// understood is a failure of the report.
Report replay(const std::filesystem::path& file);

/// The same for a JSON list of {"text", "ids", "padded"} and the CLIP vocabulary (vocab.json and merges.txt).
Report replay_token_ids(const std::filesystem::path& file, const std::filesystem::path& vocabulary_folder);

}  // namespace fmboost::parity
