#pragma once

#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/diffusion/noise_schedule.h"

namespace fmboost {

/// A denoiser: takes x (B, C, H, W), scaled by the sampler, and the timestep, which may be fractional; returns epsilon
/// or v of the same shape, float32.
using DenoiseFunction = std::function<torch::Tensor(const torch::Tensor& x, double timestep)>;

/// Returns standard normal noise of the shape of the sample; called once per ancestral or consistency step.
using NoiseFunction = std::function<torch::Tensor()>;

struct SamplerOptions {
  std::string name = "ddim";  ///< lcm, tcd, ddim, euler, euler-a or dpm++2m
  int steps = 25;             ///< 1 .. train_steps
  bool karras = false;        ///< sigmas of Karras et al. 2022, equation 5; euler and dpm++2m only
  double eta = 0.3;           ///< tcd: share of fresh noise in each step, 0 (none) to 1
  Prediction prediction = Prediction::epsilon;
};

/// The valid values of SamplerOptions::name.
const std::vector<std::string>& sampler_names();

/// One step of a sampler, for observers.
struct SamplerStep {
  int index;  ///< from 0
  int total;
  double timestep;
  torch::Tensor model_input;  ///< the input of the denoiser
  torch::Tensor sample;       ///< the sample after the step
};
using SamplerObserver = std::function<void(const SamplerStep&)>;

/// One sampling method on one schedule. Each implementation is one file in src/diffusion, see make_sampler.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// The timesteps at which the denoiser is evaluated, in order.
  virtual const std::vector<double>& timesteps() const = 0;

  /// Standard deviation of the first sample.
  virtual double init_noise_sigma() const = 0;

  /// Whether any step draws noise.
  virtual bool draws_noise() const { return false; }

  /// Runs all steps from x = init_noise_sigma * standard normal noise (float32) and returns the last sample.
  torch::Tensor sample(const torch::Tensor& x, const DenoiseFunction& denoise, const NoiseFunction& noise,
                       const SamplerObserver& observer = {});

 protected:
  /// Clears the history of multistep methods.
  virtual void reset() {}
  virtual torch::Tensor scale_model_input(const torch::Tensor& x, int /*index*/) const { return x; }
  virtual torch::Tensor step(const torch::Tensor& x, const torch::Tensor& model_output, int index,
                             const NoiseFunction& noise) = 0;
};

/// Throws UsageError for an unknown name, steps out of range, or Karras sigmas with a sampler that does not support
/// them.
std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options, const NoiseSchedule& schedule);

/// A warning if the denoiser is first evaluated far below the highest noise level although the sample starts as pure
/// noise, which gives gray or blurred images: leading timesteps with more than half of the training steps, or a single
/// step with linspace. Empty otherwise.
std::string start_notice(const SamplerOptions& options, const NoiseSchedule& schedule);

}  // namespace fmboost
