#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

namespace fmboost {

/// A file that grows record by record. Each record is written unbuffered, so that a killed run loses none. All errors
/// throw Error naming the file and the reason.
class AppendFile {
 public:
  /// Opens or creates the file and truncates it to `size` bytes, which it must have. The last record starts at
  /// `last_record`.
  AppendFile(std::filesystem::path file, std::int64_t size, std::int64_t last_record);
  AppendFile(std::filesystem::path file, std::int64_t size) : AppendFile(std::move(file), size, size) {}
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);
  /// Replaces the last record.
  void replace_last(std::string_view bytes);

 private:
  void write_at(std::int64_t offset, std::string_view bytes);

  std::filesystem::path file_;
  int descriptor_;
  std::int64_t size_;
  std::int64_t last_record_;
};

}  // namespace fmboost
