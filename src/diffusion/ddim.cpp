#include <cmath>

#include "diffusion/samplers.h"
#include "diffusion/timesteps.h"

namespace fmboost {
namespace {

// DDIM with eta = 0 (Song et al. 2021, arXiv 2010.02502, equation 12).
class Ddim final : public Sampler {
 public:
  Ddim(const SamplerOptions& options, const NoiseSchedule& schedule)
      : prediction_(options.prediction),
        schedule_(schedule),
        stride_(schedule.train_steps() / options.steps),
        timesteps_(spaced_timesteps(schedule.options(),
                                    schedule.options().timestep_spacing.value_or(TimestepSpacing::leading),
                                    options.steps, /*round_linspace=*/true)) {}

  const std::vector<double>& timesteps() const override { return timesteps_; }
  double init_noise_sigma() const override { return 1.0; }

 protected:
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index, const NoiseFunction&) override {
    const auto t = static_cast<int>(timesteps_[static_cast<std::size_t>(index)]);
    // The step goes to t - T // n for every spacing, as in diffusers.
    const int next = t - stride_;
    const double next_alpha_bar = next >= 0 ? schedule_.alpha_bar(next) : schedule_.final_alpha_bar();
    const auto [clean, noise] = split_prediction(x, output, schedule_.alpha_bar(t), prediction_);
    return std::sqrt(next_alpha_bar) * clean + std::sqrt(1 - next_alpha_bar) * noise;
  }

 private:
  Prediction prediction_;
  NoiseSchedule schedule_;
  int stride_;
  std::vector<double> timesteps_;
};

}  // namespace

std::unique_ptr<Sampler> make_ddim(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<Ddim>(options, schedule);
}

}  // namespace fmboost
