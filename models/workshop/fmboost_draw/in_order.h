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

/// Draws seeds first, first + 1, ... in several threads and hands them out in that order. Threads wait when they are a
/// few pictures ahead.
class InOrder {
 public:
  InOrder(const Kind& kind, const Request& request, std::uint64_t first, int threads);
  /// Ends the threads after the picture that each is at.
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;

  /// The next drawing; rethrows what its drawing threw.
  Drawing next();

 private:
  struct Result {
    Drawing drawing;
    std::exception_ptr error;
  };

  void work();

  const Kind& kind_;
  const Request request_;
  const std::uint64_t ahead_;  // seeds that may be begun before the reader wants them
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Result> done_;
  std::uint64_t begun_;   // the next seed to draw
  std::uint64_t wanted_;  // the next seed to hand out
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fmboost::draw_tool
