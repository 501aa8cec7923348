#include "fmboost/diffusion/noise_schedule.h"

#include <cmath>
#include <torch/types.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) {
    throw UsageError("noise schedule: " + message);
  }
}

}  // namespace

Prediction parse_prediction(const std::string& name) {
  if (name == "epsilon") {
    return Prediction::epsilon;
  }
  if (name == "v_prediction") {
    return Prediction::v;
  }
  throw UsageError("unknown prediction type '" + name + "': use epsilon or v_prediction");
}

void NoiseScheduleOptions::check() const {
  require(beta_start > 0 && beta_start <= beta_end && beta_end < 1, "0 < beta_start <= beta_end < 1 must hold");
  require(beta_schedule == "scaled_linear" || beta_schedule == "linear",
          "unknown beta_schedule '" + beta_schedule + "': use scaled_linear or linear");
  require(train_steps >= 2 && train_steps <= 100000, "train_steps must be from 2 to 100000");
  require(timestep_spacing.empty() || timestep_spacing == "linspace" || timestep_spacing == "leading" ||
              timestep_spacing == "trailing",
          "unknown timestep_spacing '" + timestep_spacing + "': use linspace, leading or trailing");
  require(steps_offset >= 0 && steps_offset < train_steps, "steps_offset must be from 0 to train_steps - 1");
  require(original_steps >= 1 && original_steps <= train_steps, "original_steps must be from 1 to train_steps");
  require(timestep_scaling > 0, "timestep_scaling must be positive");
}

NoiseSchedule::NoiseSchedule(NoiseScheduleOptions options) : options_(std::move(options)) {
  options_.check();
  // In float32 throughout, as the reference computes it.
  const bool scaled = options_.beta_schedule == "scaled_linear";
  const auto end = [&](double beta) { return scaled ? std::sqrt(beta) : beta; };
  torch::Tensor betas =
      torch::linspace(end(options_.beta_start), end(options_.beta_end), options_.train_steps, torch::kFloat32);
  if (scaled) {
    betas = betas.square();
  }
  const torch::Tensor products = torch::cumprod(1 - betas, 0).to(torch::kFloat64);
  alphas_bar_.assign(products.data_ptr<double>(), products.data_ptr<double>() + products.numel());
  require(alphas_bar_.back() > 0, "betas so large leave no signal at the last of the train_steps");
}

std::vector<double> NoiseSchedule::sigmas() const {
  std::vector<double> result;
  result.reserve(alphas_bar_.size());
  for (const double alpha_bar : alphas_bar_) {
    result.push_back(std::sqrt((1 - alpha_bar) / alpha_bar));
  }
  return result;
}

}  // namespace fmboost
