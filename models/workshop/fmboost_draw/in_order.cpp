#include "fmboost_draw/in_order.h"

#include <utility>

namespace fmboost::draw_tool {

InOrder::InOrder(const Kind& kind, const Request& request, std::uint64_t first, int threads)
    : kind_(kind),
      request_(request),
      ahead_(static_cast<std::uint64_t>(threads) * 2 + 2),
      begun_(first),
      wanted_(first) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

InOrder::~InOrder() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) {
    thread.join();
  }
}

Drawing InOrder::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_.contains(wanted_); });
  Result result = std::move(done_.extract(wanted_).mapped());
  ++wanted_;
  lock.unlock();
  changed_.notify_all();
  if (result.error) {
    std::rethrow_exception(result.error);
  }
  return std::move(result.drawing);
}

void InOrder::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || begun_ - wanted_ < ahead_; });
    if (stopped_) {
      return;
    }
    const std::uint64_t seed = begun_++;
    lock.unlock();
    Result result;
    try {
      result.drawing = kind_.draw(seed, request_);
    } catch (...) {
      result.error = std::current_exception();
    }
    lock.lock();
    done_.emplace(seed, std::move(result));
    changed_.notify_all();
  }
}

}  // namespace fmboost::draw_tool
