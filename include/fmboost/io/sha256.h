#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace fmboost {

/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256(std::span<const std::byte> bytes);

/// The same of bytes in several parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::span<const std::byte> bytes);
  /// The hash of all bytes. No further calls are allowed.
  std::string digest();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// The same of the content of a file. Throws Error if the file cannot be read.
std::string sha256_file(const std::filesystem::path& file);

}  // namespace fmboost
