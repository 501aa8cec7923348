#pragma once

#include <string>
#include <torch/cuda.h>
#include <torch/types.h>
#include <utility>

#include "fmboost/pipeline/hooks.h"

#include "pipeline/stopwatch.h"

namespace fmboost {

/// Runs `work` and reports its time. Kernels on a GPU run beside the host's code, so a timed stage waits for them.
template <typename Work>
auto timed(const Hooks& hooks, const std::string& stage, const torch::Device& device, const Work& work) {
  const Stopwatch stopwatch;
  auto result = work();
  if (hooks.timing) {
    if (device.is_cuda()) {
      torch::cuda::synchronize(device.index());
    }
    hooks.timing(stage, stopwatch.seconds());
  }
  return result;
}

/// A hook that adds the seconds of each stage to `seconds`, which must outlive it, and passes them on to `next`.
inline auto sum_of_seconds(StageSeconds& seconds,
                           std::function<void(const std::string& stage, double seconds)> next = {}) {
  return [&seconds, next = std::move(next)](const std::string& stage, double more) {
    seconds[stage] += more;
    if (next) {
      next(stage, more);
    }
  };
}

}  // namespace fmboost
