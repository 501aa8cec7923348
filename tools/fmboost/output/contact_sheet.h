#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace fmboost::tool {

/// The newest lines of a journal whose images are done, in the order of their first lines. Damaged lines are skipped.
/// Throws Error if the file cannot be read.
std::vector<nlohmann::json> done_lines(const std::filesystem::path& journal);

/// Writes an image of small images, each with its prompt or name, its seed and its seconds, from lines of a journal.
/// Their outputs are relative to `base`; a warning counts those that cannot be read. Throws Error, also if there is
/// none.
void write_contact_sheet(const std::vector<nlohmann::json>& lines, const std::filesystem::path& base,
                         const std::filesystem::path& file, bool replace);

}  // namespace fmboost::tool
