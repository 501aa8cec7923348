#pragma once

#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/diffusion/noise_schedule.h"

namespace fmboost {

/// The denoiser as a sampler sees it: x (B, C, H, W) as the sampler scaled it, and the timestep (float, may be
/// fractional); returns epsilon or v of the same shape, float32.
using DenoiseFunction = std::function<torch::Tensor(const torch::Tensor& x, double timestep)>;

/// Standard normal noise of the sample's shape, one call for every draw of an ancestral or consistency step.
using NoiseFunction = std::function<torch::Tensor()>;

struct SamplerOptions {
  std::string name = "ddim";  ///< lcm, ddim, euler, euler-a or dpm++2m
  int steps = 25;             ///< 1 .. train_steps
  bool karras = false;        ///< sigmas spaced after Karras et al. 2022, equation 5: euler and dpm++2m
  Prediction prediction = Prediction::epsilon;
};

/// The names that SamplerOptions::name takes.
const std::vector<std::string>& sampler_names();

/// What a sampler did at one step, for callers that watch.
struct SamplerStep {
  int index;  ///< from 0
  int total;
  double timestep;
  torch::Tensor model_input;  ///< what the denoiser was given
  torch::Tensor sample;       ///< the sample after the step
};
using SamplerObserver = std::function<void(const SamplerStep&)>;

/// One sampling method over one schedule. Implementations: one file each in src/diffusion, see make_sampler.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// The timesteps the denoiser is asked at, in order.
  virtual const std::vector<double>& timesteps() const = 0;

  /// Standard deviation of the first sample.
  virtual double init_noise_sigma() const = 0;

  /// Whether any step draws noise.
  virtual bool draws_noise() const { return false; }

  /// Runs all steps from x = init_noise_sigma * standard normal noise (float32) and returns the last sample.
  torch::Tensor sample(const torch::Tensor& x, const DenoiseFunction& denoise, const NoiseFunction& noise,
                       const SamplerObserver& observer = {});

 protected:
  /// Forgets what multistep methods remember.
  virtual void reset() {}
  virtual torch::Tensor scale_model_input(const torch::Tensor& x, int /*index*/) const { return x; }
  virtual torch::Tensor step(const torch::Tensor& x, const torch::Tensor& model_output, int index,
                             const NoiseFunction& noise) = 0;
};

/// Throws UsageError for an unknown name, steps out of range, or Karras sigmas where they do not apply.
std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options, const NoiseSchedule& schedule);

}  // namespace fmboost
