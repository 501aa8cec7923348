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

constexpr double kLeastAlphaBar = 1.0 / (1 << 24);

// Shifts and scales sqrt(alpha_bar) so that it ends at 0 and begins where it was; alphas and their products are formed
// again, in float32, for the roundings of diffusers.
torch::Tensor without_signal_at_the_end(const torch::Tensor& alphas_bar) {
  const torch::Tensor roots = alphas_bar.sqrt();
  const torch::Tensor first = roots[0];
  const torch::Tensor last = roots[-1];
  const torch::Tensor squares = ((roots - last) * (first / (first - last))).square();
  const torch::Tensor alphas = torch::cat({squares.slice(0, 0, 1), squares.slice(0, 1) / squares.slice(0, 0, -1)});
  return torch::cumprod(1 - (1 - alphas), 0);
}

}  // namespace

void NoiseScheduleOptions::check() const {
  require(beta_start > 0 && beta_start <= beta_end && beta_end < 1, "0 < beta_start <= beta_end < 1 must hold");
  require(train_steps >= 2 && train_steps <= 100000, "train_steps must be from 2 to 100000");
  require(steps_offset >= 0 && steps_offset < train_steps, "steps_offset must be from 0 to train_steps - 1");
  require(original_steps >= 1 && original_steps <= train_steps, "original_steps must be from 1 to train_steps");
  require(timestep_scaling > 0, "timestep_scaling must be positive");
}

NoiseSchedule::NoiseSchedule(NoiseScheduleOptions options) : options_(std::move(options)) {
  options_.check();
  // Computed in float32 throughout, like the reference.
  const bool scaled = options_.beta_schedule == BetaSchedule::scaled_linear;
  const auto end = [&](double beta) { return scaled ? std::sqrt(beta) : beta; };
  torch::Tensor betas =
      torch::linspace(end(options_.beta_start), end(options_.beta_end), options_.train_steps, torch::kFloat32);
  if (scaled) {
    betas = betas.square();
  }
  torch::Tensor alphas_bar = torch::cumprod(1 - betas, 0);
  if (options_.rescale_betas_zero_snr) {
    alphas_bar = without_signal_at_the_end(alphas_bar);
  }
  const torch::Tensor products = alphas_bar.to(torch::kFloat64);
  alphas_bar_.assign(products.data_ptr<double>(), products.data_ptr<double>() + products.numel());
  require(alphas_bar_.back() > 0 || options_.rescale_betas_zero_snr,
          "the betas are so large that no signal is left at the last of the train_steps");
}

std::vector<double> NoiseSchedule::sigmas() const {
  std::vector<double> result;
  result.reserve(alphas_bar_.size());
  for (const double value : alphas_bar_) {
    const double alpha_bar = value > 0 ? value : kLeastAlphaBar;
    result.push_back(std::sqrt((1 - alpha_bar) / alpha_bar));
  }
  return result;
}

}  // namespace fmboost
