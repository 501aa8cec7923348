#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "fmboost/pipeline/generate.h"

namespace fmboost::tool {

class LineSource;

/// One entry of a prompts file.
struct PromptEntry {
  GenerateRequest request;
  std::int64_t count = 1;  ///< images, with consecutive seeds
};

/// Reads a prompts file, or stdin for "-", entry by entry: one prompt per line, JSON lines whose settings override the
/// defaults, or a JSON array of such objects and of prompts. Blank lines and lines that begin with "#" and a space are
/// skipped; other lines that begin with "#" too, with a warning. A file is UTF-8, with or without a byte order mark.
class PromptReader {
 public:
  /// Throws Error if the file cannot be read.
  PromptReader(const std::string& file, PromptEntry defaults);
  ~PromptReader();

  /// The next entry; none once there are no more. Waits for stdin, and throws Interrupted as soon as a signal arrives.
  /// Throws UsageError naming the line, and when there was no prompt at all.
  std::optional<PromptEntry> next();
  /// Whether it is known, without waiting, that no entry is left.
  bool ended() const;
  /// Whether next() would wait for stdin.
  bool would_wait() const;

 private:
  void read_line();
  void read_array(std::string text, const std::string& origin);
  void add_settings(const nlohmann::json& settings, const std::string& origin);
  void add_prompt(std::string text);

  std::string name_;
  PromptEntry defaults_;
  std::unique_ptr<LineSource> lines_;
  std::deque<PromptEntry> entries_;  ///< read, not yet returned
  bool found_ = false;
};

/// "I/N": the items whose index modulo N is I, from 0 to N - 1.
struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;
};
Shard parse_shard(const std::string& text);

}  // namespace fmboost::tool
