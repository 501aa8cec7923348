#pragma once

#include <ATen/Parallel.h>
#include <algorithm>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <utility>

namespace fmboost::tool {

/// Loads items that are found one by one in the background, a few ahead of the requested one: decoding an image often
/// takes longer than processing it.
template <typename Item>
class StreamReadAhead {
 public:
  using Load = std::function<Item()>;

  /// `find` returns how to load the next item; none once there are no more. It is called on the caller's thread, the
  /// loads on others. At most `depth` items are loaded or being loaded.
  StreamReadAhead(std::function<std::optional<Load>()> find, std::size_t depth)
      : find_(std::move(find)), depth_(depth) {}

  /// The next item in order; none once there are no more. Throws what finding or loading it threw.
  std::optional<Item> next() {
    while (!ended_ && loading_.size() < depth_) {
      std::optional<Load> load = find_();
      ended_ = !load;
      if (load) {
        loading_.push_back(std::async(std::launch::async, std::move(*load)));
      }
    }
    if (loading_.empty()) {
      return std::nullopt;
    }
    std::future<Item> first = std::move(loading_.front());
    loading_.pop_front();
    return first.get();
  }

 private:
  std::function<std::optional<Load>()> find_;
  std::size_t depth_;
  bool ended_ = false;
  std::deque<std::future<Item>> loading_;
};

/// The same for a known number of items.
template <typename Item>
class ReadAhead {
 public:
  /// `load` is called once for every number below `count`, from other threads.
  ReadAhead(std::size_t count, std::function<Item(std::size_t)> load)
      // A deeper queue would not be faster, and large images would fill the memory.
      : items_(numbered(count, std::move(load)), static_cast<std::size_t>(std::clamp(at::get_num_threads(), 1, 8))) {}

  /// The next item in order; to be called `count` times. Throws what loading it threw.
  Item next() { return std::move(*items_.next()); }

 private:
  using Load = typename StreamReadAhead<Item>::Load;

  static std::function<std::optional<Load>()> numbered(std::size_t count, std::function<Item(std::size_t)> load) {
    return [count, load = std::move(load), i = std::size_t{0}]() mutable {
      return i == count ? std::nullopt : std::optional<Load>([load, number = i++] { return load(number); });
    };
  }

  StreamReadAhead<Item> items_;
};

}  // namespace fmboost::tool
