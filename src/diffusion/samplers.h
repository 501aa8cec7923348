#pragma once

#include <memory>

#include "fmboost/diffusion/sampler.h"

namespace fmboost {

/// Factories of the samplers, one file each. The options have been checked.
std::unique_ptr<Sampler> make_ddim(const SamplerOptions& options, const NoiseSchedule& schedule);
std::unique_ptr<Sampler> make_lcm(const SamplerOptions& options, const NoiseSchedule& schedule);
std::unique_ptr<Sampler> make_tcd(const SamplerOptions& options, const NoiseSchedule& schedule);
std::unique_ptr<Sampler> make_euler(const SamplerOptions& options, const NoiseSchedule& schedule);
std::unique_ptr<Sampler> make_euler_ancestral(const SamplerOptions& options, const NoiseSchedule& schedule);
std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerOptions& options, const NoiseSchedule& schedule);

/// The timesteps of LCM and TCD: `steps` of the original_steps of the teacher's schedule, T - 1 first. Throws
/// UsageError naming the sampler if there are not so many.
std::vector<double> distilled_timesteps(const SamplerOptions& options, const NoiseSchedule& schedule);

/// The estimates of x0 and the noise from a variance-preserving sample x = alpha x0 + sigma noise and the model output.
struct CleanAndNoise {
  torch::Tensor clean;
  torch::Tensor noise;
};
CleanAndNoise split_prediction(const torch::Tensor& x, const torch::Tensor& output, double alpha_bar,
                               Prediction prediction);

/// The estimate of x0 from a variance-exploding sample x = x0 + sigma noise; the model input was
/// x / sqrt(sigma^2 + 1).
torch::Tensor clean_from_sigma(const torch::Tensor& x, const torch::Tensor& output, double sigma,
                               Prediction prediction);

}  // namespace fmboost
