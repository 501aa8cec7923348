#include "train/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {

void LrScheduleOptions::check() const {
  if (shape != "constant" && shape != "cosine") {
    throw UsageError("the learning rate's schedule must be constant or cosine, not '" + shape + "'");
  }
  if (warmup_steps < 0) {
    throw UsageError("the warm-up must be at least 0 steps, not " + std::to_string(warmup_steps));
  }
  if (!(final_factor >= 0 && final_factor <= 1)) {
    throw UsageError("the cosine's final factor must be from 0 to 1, not " + std::to_string(final_factor));
  }
}

double LrScheduleOptions::factor(std::int64_t done, std::int64_t total) const {
  if (done < warmup_steps) {
    return static_cast<double>(done) / static_cast<double>(warmup_steps);
  }
  if (shape == "constant") {
    return 1.0;
  }
  const auto length = static_cast<double>(std::max<std::int64_t>(total - warmup_steps, 1));
  const double progress = std::min(static_cast<double>(done - warmup_steps) / length, 1.0);
  return final_factor + (1 - final_factor) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace fmboost
