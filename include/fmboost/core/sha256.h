#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace fmboost {

/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256(std::span<const std::byte> bytes);

/// The same of a file's content. Throws Error when the file cannot be read.
std::string sha256_file(const std::filesystem::path& file);

}  // namespace fmboost
