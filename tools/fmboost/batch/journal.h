#pragma once

#include <cstddef>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>

namespace fmboost::tool {

/// The journal of a batch: one JSON line per item that ended, the newest line of an output counts. Several processes
/// may append to one file. Members may be called from several threads.
///
/// Keys of a line: `status` (done or failed), `output` (relative to the journal's base folder if it is below it),
/// `settings`, `bytes` and `sha256` of the output, `error`, `time` (UTC), and those of the line that --json prints.
class Journal {
 public:
  /// Creates the file and its folder if they are missing; reads what is there. A last line that a crash cut off is
  /// removed. Other damaged lines are skipped with a warning. Throws Error.
  Journal(std::filesystem::path file, std::filesystem::path base);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::filesystem::path& file() const { return file_; }
  /// The newest line of an output.
  std::optional<nlohmann::json> find(const std::filesystem::path& output) const;
  /// Whether the newest line of an output was appended after this journal was opened.
  bool is_recent(const std::filesystem::path& output) const;
  /// Reads the lines that other processes appended.
  void refresh();
  /// Appends a line and syncs it. `line["output"]` and `line["time"]` are set. Throws Error.
  void append(const std::filesystem::path& output, nlohmann::json line);
  /// The outputs with a line, as the lines name them.
  std::string name_of(const std::filesystem::path& output) const;

 private:
  struct Entry {
    nlohmann::json line;
    bool recent = false;
  };
  void read_lines();
  void add_line(const std::string& text);
  void repair_end();

  std::filesystem::path file_;
  std::filesystem::path base_;
  int fd_ = -1;
  std::size_t read_ = 0;  ///< bytes read so far
  std::size_t damaged_ = 0;
  bool opened_ = false;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace fmboost::tool
