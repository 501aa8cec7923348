#pragma once

#include <optional>
#include <string>

namespace fmboost {

/// Overrides of a model's own sampling configuration, by the names in bundle.json. ImportOptions::check() checks them.
struct SamplingChoices {
  std::optional<std::string> sampler =
      std::nullopt;  ///< the default sampler: lcm, tcd, ddim, euler, euler-a or dpm++2m
  std::optional<int> steps = std::nullopt;
  std::optional<double> guidance = std::nullopt;
  std::optional<std::string> prediction = std::nullopt;     ///< a name of Prediction
  std::optional<std::string> beta_schedule = std::nullopt;  ///< a name of BetaSchedule
  std::optional<double> beta_start = std::nullopt, beta_end = std::nullopt;
  std::optional<std::string> timestep_spacing = std::nullopt;  ///< a name of TimestepSpacing
};

}  // namespace fmboost
