#pragma once

#include <optional>
#include <string>

namespace fmboost {

/// Overrides of a model's own sampling configuration, by the names in bundle.json. ImportOptions::check() checks them.
struct SamplingChoices {
  std::optional<std::string> sampler;  ///< the default sampler: lcm, tcd, ddim, euler, euler-a or dpm++2m
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<std::string> prediction;     ///< a name of Prediction
  std::optional<std::string> beta_schedule;  ///< a name of BetaSchedule
  std::optional<double> beta_start, beta_end;
  std::optional<std::string> timestep_spacing;  ///< a name of TimestepSpacing
};

}  // namespace fmboost
