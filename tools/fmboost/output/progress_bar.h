#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "fmboost/core/progress.h"

namespace fmboost::tool {

/// Progress on stderr: a bar that is redrawn on a terminal, one line per finished stage elsewhere, nothing when quiet.
/// Members may be called from several threads.
class ProgressBar {
 public:
  /// `images`: their number; open for a stream.
  ProgressBar(std::optional<std::size_t> images, bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  ProgressCallback callback();
  /// Counts an image that was worked on, successfully or not.
  void image_done();
  /// Counts an image that needs no work, which says nothing about the time that others take.
  void image_skipped();
  /// Removes the bar from the terminal before something else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void update(const std::string& stage, std::int64_t done, std::int64_t total);
  void draw(const std::string& stage, std::int64_t done, std::int64_t total);
  void erase();
  std::string position(const std::string& separator) const;
  std::string time_left(std::int64_t done, std::int64_t total) const;

  std::mutex mutex_;
  std::optional<std::size_t> images_;
  std::size_t finished_ = 0;
  std::size_t skipped_ = 0;  ///< of the finished ones
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::string stage_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point stage_start_ = start_;
  Clock::time_point last_draw_;
};

}  // namespace fmboost::tool
