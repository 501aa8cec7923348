#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fmboost/core/progress.h"

namespace fmboost::tool {

/// Progress on stderr: a bar that is redrawn on a terminal, one line per finished stage elsewhere, nothing when quiet.
class ProgressBar {
 public:
  ProgressBar(std::size_t images, bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  ProgressCallback callback();
  /// Counts an image that is finished, successfully or not.
  void image_done();
  /// Removes the bar from the terminal before something else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void update(const std::string& stage, std::int64_t done, std::int64_t total);
  void draw(const std::string& stage, std::int64_t done, std::int64_t total);

  std::size_t images_;
  std::size_t finished_ = 0;
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::string stage_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point stage_start_ = start_;
  Clock::time_point last_draw_;
};

}  // namespace fmboost::tool
