#pragma once

#include <vector>

#include "diffusion/samplers.h"

namespace fmboost {

/// Base of Euler and Euler ancestral: samples are x = x0 + sigma noise, and the model input is x / sqrt(sigma^2 + 1).
class SigmaSampler : public Sampler {
 public:
  SigmaSampler(const SamplerOptions& options, const NoiseSchedule& schedule);

  const std::vector<double>& timesteps() const override { return timesteps_; }
  double init_noise_sigma() const override { return init_noise_sigma_; }

 protected:
  torch::Tensor scale_model_input(const torch::Tensor& x, int index) const override;

  /// The noise level before step `index`; 0 after the last step.
  double sigma(int index) const { return sigmas_[static_cast<std::size_t>(index)]; }
  /// dx / dsigma at the sample.
  torch::Tensor slope(const torch::Tensor& x, const torch::Tensor& output, double sigma) const;

 private:
  Prediction prediction_;
  std::vector<double> timesteps_;
  std::vector<double> sigmas_;
  double init_noise_sigma_;
};

}  // namespace fmboost
