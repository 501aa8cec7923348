#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace fmboost::tool {

/// Runs tasks in order on a thread of its own, so that images are encoded and written while the next ones are made.
class WriteBehind {
 public:
  /// At most `most` tasks wait or run: images are large.
  explicit WriteBehind(std::size_t most);
  /// Waits for all tasks.
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  /// Waits for a free place. The task must not throw.
  void push(std::function<void()> task);
  /// Waits for all tasks.
  void finish();

 private:
  void work();

  std::size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  ///< the first one is running
  bool stop_ = false;
  std::vector<std::thread> threads_;  ///< last, because it uses all members above
};

}  // namespace fmboost::tool
