#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "train/log/append_file.h"

namespace fmboost {

using Metrics = std::map<std::string, double>;

/// JSON Lines with one object per step: "step" and the metrics.
class MetricsFile {
 public:
  /// Continues an existing file: lines of steps after `last_step` and an incomplete last line are removed. Throws Error
  /// if the file is something else.
  MetricsFile(std::filesystem::path file, std::int64_t last_step);

  /// Adds metrics to the line of a step, which is the last line's or a later one. Numbers that are not finite become
  /// null.
  void add(std::int64_t step, const Metrics& metrics);

 private:
  nlohmann::ordered_json last_line_;
  std::unique_ptr<AppendFile> file_;
};

}  // namespace fmboost
