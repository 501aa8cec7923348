#pragma once

#include <chrono>

#include "fmboost/data/encode_images.h"

namespace fmboost::tool {

/// Progress of `encode` on stderr: one line that is redrawn on a terminal, a line every ten seconds elsewhere, nothing
/// when quiet.
class EncodeProgressLine {
 public:
  explicit EncodeProgressLine(bool quiet);
  ~EncodeProgressLine() { clear(); }
  EncodeProgressLine(const EncodeProgressLine&) = delete;
  EncodeProgressLine& operator=(const EncodeProgressLine&) = delete;

  void show(const EncodeProgress& progress);
  /// Removes the line from the terminal before something else is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

/// "123 of 4000 images, 1 of 8 shards, 4.1 images/s, 15:45 left"
std::string to_text(const EncodeProgress& progress, double seconds);

}  // namespace fmboost::tool
