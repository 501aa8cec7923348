#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace fmboost {

/// Starts threads in which LibTorch uses a single thread each, and returns once they run. The other threads of the
/// process keep their setting. Otherwise every loader thread would start its own pool with one thread per core.
std::vector<std::thread> start_single_threaded(int count, const std::function<void()>& work);

}  // namespace fmboost
