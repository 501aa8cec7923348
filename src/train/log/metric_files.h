#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/log/append_file.h"

namespace fmboost {

using Metrics = std::map<std::string, double>;

/// A table with a row a step. Columns may be added; the file is then written anew.
class CsvMetrics {
 public:
  /// Goes on with the file where it exists, dropping rows of steps beyond `last_step` and a half-written one. Throws
  /// Error when the file is something else.
  CsvMetrics(std::filesystem::path file, std::int64_t last_step);
  void add(std::int64_t step, const Metrics& metrics);

 private:
  bool add_columns(const Metrics& metrics);
  void rewrite();
  std::string format() const;

  std::vector<std::string> columns_;  // without "step"
  std::int64_t last_step_ = -1;
  std::map<std::string, std::string> last_row_;
  std::unique_ptr<AppendFile> file_;
};

/// An object a line, with "step" and the metrics.
class JsonLinesMetrics {
 public:
  /// As CsvMetrics.
  JsonLinesMetrics(std::filesystem::path file, std::int64_t last_step);
  void add(std::int64_t step, const Metrics& metrics);

 private:
  nlohmann::ordered_json last_row_;
  std::unique_ptr<AppendFile> file_;
};

}  // namespace fmboost
