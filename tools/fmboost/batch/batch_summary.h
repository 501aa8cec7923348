#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace fmboost::tool {

/// Counts how the items of a batch ended. Members may be called from several threads.
class BatchSummary {
 public:
  /// `images`: their number; open for a stream.
  explicit BatchSummary(std::optional<std::size_t> images) : images_(images) {}

  void done();
  void skipped(const std::string& reason);
  /// Messages that differ only in what they quote count as one reason.
  void failed(const std::string& message);

  /// Lines for people.
  std::string text() const;
  /// {"done", "skipped", "failed", "reasons": {message: count}, "left", "seconds", "images_per_minute", "peak_memory"}
  nlohmann::json json() const;

 private:
  double seconds() const;
  std::optional<std::size_t> left() const;

  std::optional<std::size_t> images_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::size_t done_ = 0;
  std::size_t skipped_ = 0;
  std::size_t failed_ = 0;
  std::map<std::string, std::size_t> skipped_reasons_;
  std::map<std::string, std::size_t> failed_reasons_;
};

/// From now on, SIGUSR1 asks for a summary.
void install_summary_handler();
/// Whether it was asked for since the last call.
bool summary_requested();

}  // namespace fmboost::tool
