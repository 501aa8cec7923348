#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/single_threaded.h"

namespace fmboost {

/// Makes the items numbered first, first + 1, ... end - 1 on worker threads, a few ahead of the caller, who receives
/// them in order. The number of threads does not change the result.
template <typename T>
class OrderedPrefetch {
 public:
  using Make = std::function<T(std::uint64_t number)>;

  /// Without threads an item is made in next(). `ahead`: the maximum number of items that are ready or being made.
  OrderedPrefetch(Make make, std::uint64_t first, std::uint64_t end, int num_workers, int ahead)
      : make_(std::move(make)), taken_(first), claimed_(first), end_(end), ahead_(std::max(ahead, 1)) {
    threads_ = start_single_threaded(num_workers, [this] { work(); });
  }

  ~OrderedPrefetch() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) {
      thread.join();
    }
  }
  OrderedPrefetch(const OrderedPrefetch&) = delete;
  OrderedPrefetch& operator=(const OrderedPrefetch&) = delete;

  /// The next item. Throws the error of making it; the next call then returns the same item or error.
  T next() {
    if (threads_.empty()) {
      T item = make_(taken_);
      ++taken_;
      return item;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return made_.contains(taken_); });
    const auto found = made_.find(taken_);
    if (found->second.error) {
      std::rethrow_exception(found->second.error);
    }
    T item = std::move(*found->second.item);
    made_.erase(found);
    ++taken_;
    lock.unlock();
    changed_.notify_all();
    return item;
  }

 private:
  struct Made {
    std::optional<T> item;
    std::exception_ptr error;
  };

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || (claimed_ < end_ && claimed_ < taken_ + ahead_); });
      if (stop_) {
        return;
      }
      const std::uint64_t number = claimed_++;
      lock.unlock();
      Made made;
      try {
        made.item.emplace(make_(number));
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      made_.emplace(number, std::move(made));
      changed_.notify_all();
    }
  }

  Make make_;
  std::uint64_t taken_;
  std::uint64_t claimed_;
  std::uint64_t end_;
  std::uint64_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Made> made_;
  bool stop_ = false;
  std::vector<std::thread> threads_;  ///< last, because they use all members above
};

}  // namespace fmboost
