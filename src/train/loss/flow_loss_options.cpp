#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/train/options.h"

namespace fmboost {

bool FlowLossOptions::draws_noising_step() const {
  return noising_step_max && *noising_step_max > std::max(noising_step, 0);
}

void FlowLossOptions::check() const {
  const Path checked(path, sigma_min);
  if (noising_step > 999) {
    throw UsageError("`noising_step` must be at most 999, got " + std::to_string(noising_step));
  }
  if (noising_step_max && (*noising_step_max > 999 || *noising_step_max < noising_step)) {
    throw UsageError("`noising_step_max` must be at least `noising_step` and at most 999, got a range from " +
                     std::to_string(noising_step) + " to " + std::to_string(*noising_step_max));
  }
  if (!(noising_share >= 0 && noising_share <= 1)) {
    throw UsageError("`noising_share` must be from 0 to 1, got " + std::to_string(noising_share));
  }
  if (noising_step_max && start_from_noise) {
    throw UsageError("`start_from_noise` has no noising step; it cannot be combined with `noising_step_max`");
  }
  if (objective == Objective::energy && sigma_min > 0) {
    throw UsageError("`objective` energy does not support noise on the path; use `sigma_min` 0");
  }
  if (rollout_steps < 1 || rollout_steps > 64) {
    throw UsageError("`rollout_steps` must be from 1 to 64, got " + std::to_string(rollout_steps));
  }
}

std::string FlowLossOptions::warning() const {
  const bool noisy_start = start_from_noise || noising_step > 0 || draws_noising_step();
  if (draws_noising_step() && sigma_min > 0) {
    return "`sigma_min` > 0 leaves noise in the result, visible as grain; with `noising_step_max` the noise of the "
           "start already hides x1: use `sigma_min` 0";
  }
  if (objective == Objective::velocity && with_context && !noisy_start && sigma_min == 0) {
    return "`noising_step` 0 with `sigma_min` 0 leaks the target: for t > 0 the network can compute x1 from x_t and "
           "the context, so it learns nothing at t = 0; use `sigma_min` 0.1";
  }
  return {};
}

}  // namespace fmboost
