#pragma once

#include <filesystem>

namespace fmboost::tool {

/// Makes the names in a folder durable. Does nothing for a folder that cannot be opened.
void sync_folder(const std::filesystem::path& folder);

}  // namespace fmboost::tool
