#include "batch/write_behind.h"

#include <utility>

#include "core/single_threaded.h"

namespace fmboost::tool {

WriteBehind::WriteBehind(std::size_t most) : most_(most) {
  threads_ = start_single_threaded(1, [this] { work(); });
}

WriteBehind::~WriteBehind() {
  finish();
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) {
    thread.join();
  }
}

void WriteBehind::push(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.size() < most_; });
  tasks_.push_back(std::move(task));
  lock.unlock();
  changed_.notify_all();
}

void WriteBehind::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty(); });
}

void WriteBehind::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    const std::function<void()> task = std::move(tasks_.front());
    lock.unlock();
    task();
    lock.lock();
    tasks_.pop_front();  // only now, so that finish() waits for the task itself
    changed_.notify_all();
  }
}

}  // namespace fmboost::tool
