#include "core/single_threaded.h"

#include <ATen/Parallel.h>
#include <latch>
#include <memory>
#include <mutex>

namespace fmboost {

std::vector<std::thread> start_single_threaded(int count, const std::function<void()>& work) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const int before = at::get_num_threads();
  // The setting is per thread, but new threads inherit the last value set anywhere: restore it at the end.
  const auto ready = std::make_shared<std::latch>(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([ready, work] {
      static std::mutex setting;
      {
        const std::lock_guard one_at_a_time(setting);
        at::set_num_threads(1);
      }
      ready->count_down();
      work();
    });
  }
  ready->wait();
  at::set_num_threads(before);
  return threads;
}

}  // namespace fmboost
