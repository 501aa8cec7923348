#include "fmboost/diffusion/noise_schedule.h"

#include <algorithm>
#include <cmath>
#include <torch/types.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr double kLeastAlphaBar = 0x1p-24;

void require(bool condition, const std::string& message) {
  if (!condition) {
    throw UsageError("noise schedule: " + message);
  }
}

// The square roots are shifted to end at zero, and scaled to begin as before. Like diffusers, the result goes through
// betas again.
torch::Tensor with_zero_terminal_snr(const torch::Tensor& alphas_bar) {
  const torch::Tensor roots = alphas_bar.sqrt();
  const torch::Tensor first = roots[0];
  const torch::Tensor last = roots[-1];
  const torch::Tensor scaled = ((roots - last) * (first / (first - last))).square();
  const torch::Tensor ratios = torch::cat({scaled.slice(0, 0, 1), scaled.slice(0, 1) / scaled.slice(0, 0, -1)});
  return torch::cumprod(1 - (1 - ratios), 0);
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
    alphas_bar = with_zero_terminal_snr(alphas_bar);
  }
  const torch::Tensor products = alphas_bar.to(torch::kFloat64);
  alphas_bar_.assign(products.data_ptr<double>(), products.data_ptr<double>() + products.numel());
  require(options_.rescale_betas_zero_snr || alphas_bar_.back() > 0,
          "the betas are so large that no signal is left at the last of the train_steps");
}

std::vector<double> NoiseSchedule::sigmas() const {
  std::vector<double> result;
  result.reserve(alphas_bar_.size());
  for (const double alpha_bar : alphas_bar_) {
    const double positive = std::max(alpha_bar, kLeastAlphaBar);
    result.push_back(std::sqrt((1 - positive) / positive));
  }
  return result;
}

}  // namespace fmboost
