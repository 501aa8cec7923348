#pragma once

#include <filesystem>
#include <string>

namespace fmboost {

/// SHA-256 of a file. A stamp in the user's cache of the file's size, time and hash stands for it afterwards. Throws
/// ModelError when the file cannot be read.
std::string file_hash(const std::filesystem::path& file);

/// Throws ModelError unless the file's SHA-256 is the expected one. With `use_stamp`, file_hash()'s
/// stamp may stand for it.
void check_file_hash(const std::filesystem::path& file, const std::string& expected, bool use_stamp);

}  // namespace fmboost
