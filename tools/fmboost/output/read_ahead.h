#pragma once

#include <ATen/Parallel.h>
#include <algorithm>
#include <deque>
#include <functional>
#include <future>

namespace fmboost::tool {

/// Loads items in the background, a few ahead of the requested one: decoding an image often takes longer than
/// processing it.
template <typename Item>
class ReadAhead {
 public:
  /// `load` is called once for every number below `count`, from other threads.
  ReadAhead(std::size_t count, std::function<Item(std::size_t)> load) : count_(count), load_(std::move(load)) {}

  /// The next item in order. Throws what loading it threw.
  Item next() {
    // A deeper queue would not be faster, and large images would fill the memory.
    const auto depth = static_cast<std::size_t>(std::clamp(at::get_num_threads(), 1, 8));
    while (started_ < count_ && loading_.size() < depth) {
      loading_.push_back(std::async(std::launch::async, load_, started_++));
    }
    std::future<Item> first = std::move(loading_.front());
    loading_.pop_front();
    return first.get();
  }

 private:
  std::size_t count_;
  std::function<Item(std::size_t)> load_;
  std::size_t started_ = 0;
  std::deque<std::future<Item>> loading_;
};

}  // namespace fmboost::tool
