#include <cmath>

#include "fmboost/core/error.h"

#include "diffusion/samplers.h"

namespace fmboost {
namespace {

// Multistep consistency sampling (Luo et al. 2023, arXiv 2310.04378, algorithm 3): predict the clean sample through the
// boundary conditions, then noise it to the next timestep.
class Lcm final : public Sampler {
 public:
  Lcm(const SamplerOptions& options, const NoiseSchedule& schedule)
      : prediction_(options.prediction), schedule_(schedule) {
    timesteps_ = distilled_timesteps(options, schedule);
  }

  const std::vector<double>& timesteps() const override { return timesteps_; }
  double init_noise_sigma() const override { return 1.0; }
  bool draws_noise() const override { return timesteps_.size() > 1; }

 protected:
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index,
                     const NoiseFunction& noise) override {
    constexpr double kDataVariance = 0.25;
    const auto position = static_cast<std::size_t>(index);
    const auto t = static_cast<int>(timesteps_[position]);
    const double scaled = timesteps_[position] * schedule_.options().timestep_scaling;
    const double skip = kDataVariance / (scaled * scaled + kDataVariance);
    const double out = scaled / std::sqrt(scaled * scaled + kDataVariance);
    const auto split = split_prediction(x, output, schedule_.alpha_bar(t), prediction_);
    const torch::Tensor denoised = out * split.clean + skip * x;
    if (position + 1 == timesteps_.size()) {
      return denoised;
    }
    const double next = schedule_.alpha_bar(static_cast<int>(timesteps_[position + 1]));
    return std::sqrt(next) * denoised + std::sqrt(1 - next) * noise();
  }

 private:
  Prediction prediction_;
  NoiseSchedule schedule_;
  std::vector<double> timesteps_;
};

}  // namespace

std::vector<double> distilled_timesteps(const SamplerOptions& options, const NoiseSchedule& schedule) {
  const int original = schedule.options().original_steps;
  if (options.steps > original) {
    throw UsageError("the sampler " + options.name + " takes at most the " + std::to_string(original) +
                     " steps of the schedule it was distilled from, not " + std::to_string(options.steps));
  }
  const int stride = schedule.train_steps() / original;
  std::vector<double> times;
  for (int i = 0; i < options.steps; ++i) {
    const int skipped = static_cast<int>(std::floor(static_cast<double>(original) * i / options.steps));
    times.push_back((original - skipped) * stride - 1);
  }
  return times;
}

std::unique_ptr<Sampler> make_lcm(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<Lcm>(options, schedule);
}

}  // namespace fmboost
