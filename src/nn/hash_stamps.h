#pragma once

#include <filesystem>
#include <string>

namespace fmboost {

/// Throws ModelError unless the file's SHA-256 is the expected one. With `use_stamp`, a stamp in the user's cache of
/// the file's size, time and hash may stand for an earlier check, and a check leaves one.
void check_file_hash(const std::filesystem::path& file, const std::string& expected, bool use_stamp);

}  // namespace fmboost
