#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "fmboost_draw/kinds.h"

namespace fmboost::draw_tool {

/// Draws seeds first, first + 1, ... in several threads and returns them in that order. Threads wait once they are a
/// few images ahead.
class InOrder {
 public:
  InOrder(const Kind& kind, const Request& request, std::uint64_t first, int threads);
  /// Stops the threads after their current images.
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;

  /// The next drawing; rethrows an exception of its thread.
  Drawing next();

 private:
  struct Result {
    Drawing drawing;
    std::exception_ptr error;
  };

  void work();

  const Kind& kind_;
  const Request request_;
  const std::uint64_t ahead_;  // how many seeds may be started before the reader asks for them
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Result> done_;
  std::uint64_t begun_;   // the next seed to draw
  std::uint64_t wanted_;  // the next seed to return
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fmboost::draw_tool
