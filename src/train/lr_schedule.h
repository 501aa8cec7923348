#pragma once

#include <cstdint>
#include <string>

namespace fmboost {

/// How the learning rate changes over a run.
struct LrScheduleOptions {
  std::string shape = "constant";    ///< after the warm-up: constant, or cosine (half a period down to `final_factor`)
  std::int64_t warmup_steps = 1000;  ///< linear from 0
  double final_factor = 0.0;         ///< of the learning rate, where the cosine ends

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
  /// What the learning rate is multiplied by in the step after `done` steps of `total`: done / warmup_steps at first,
  /// so that the very first step changes nothing, as in the published training.
  double factor(std::int64_t done, std::int64_t total) const;
};

}  // namespace fmboost
