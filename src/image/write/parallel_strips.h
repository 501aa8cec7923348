#pragma once

#include <cstdint>
#include <functional>

namespace fmboost {

/// Calls `work` for 0 .. count - 1, from as many threads as LibTorch computes with. at::parallel_for would need OpenMP in
/// this library. Throws the first exception of a call, after all threads have ended.
void for_each_strip(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace fmboost
