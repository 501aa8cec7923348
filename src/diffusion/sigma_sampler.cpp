#include "diffusion/sigma_sampler.h"

#include <algorithm>
#include <cmath>

#include "diffusion/timesteps.h"

namespace fmboost {

SigmaSampler::SigmaSampler(const SamplerOptions& options, const NoiseSchedule& schedule)
    : prediction_(options.prediction) {
  const std::vector<double> table = schedule.sigmas();
  const TimestepSpacing spacing = schedule.options().timestep_spacing.value_or(TimestepSpacing::linspace);
  timesteps_ = spaced_timesteps(schedule.options(), spacing, options.steps, /*round_linspace=*/false);
  for (const double t : timesteps_) {
    sigmas_.push_back(interpolate(table, t));
  }
  if (options.karras) {
    // The range is that of the chosen noise levels, and the timesteps stay fractional.
    sigmas_ = karras_sigmas(sigmas_.front(), sigmas_.back(), options.steps);
    timesteps_.clear();
    for (const double s : sigmas_) {
      timesteps_.push_back(static_cast<float>(timestep_of_sigma(table, s)));
    }
  }
  const double highest = *std::max_element(sigmas_.begin(), sigmas_.end());
  init_noise_sigma_ = spacing == TimestepSpacing::leading ? std::sqrt(highest * highest + 1) : highest;
  sigmas_.push_back(0.0);
}

torch::Tensor SigmaSampler::scale_model_input(const torch::Tensor& x, int index) const {
  return x / std::sqrt(sigma(index) * sigma(index) + 1);
}

torch::Tensor SigmaSampler::slope(const torch::Tensor& x, const torch::Tensor& output, double sigma) const {
  return (x - clean_from_sigma(x, output, sigma, prediction_)) / sigma;
}

}  // namespace fmboost
