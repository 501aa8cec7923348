#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace fmboost {

/// Starts threads in which LibTorch computes on one thread each, and returns once they run; this process' other threads
/// keep what they had. Every loader thread would otherwise open a team of one thread a core of its own.
std::vector<std::thread> start_single_threaded(int count, const std::function<void()>& work);

}  // namespace fmboost
