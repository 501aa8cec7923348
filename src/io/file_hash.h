#pragma once

#include <filesystem>
#include <string>

namespace fmboost {

/// SHA-256 of a file, cached: a stamp in the user's cache records size, time and hash of the file. Throws ModelError if
/// the file cannot be read.
std::string file_hash(const std::filesystem::path& file);

/// Throws ModelError unless the SHA-256 of the file is the expected one. With `use_stamp`, a stamp of file_hash() is
/// trusted.
void check_file_hash(const std::filesystem::path& file, const std::string& expected, bool use_stamp);

}  // namespace fmboost
