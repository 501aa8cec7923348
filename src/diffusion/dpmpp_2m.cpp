#include <algorithm>
#include <cmath>
#include <functional>

#include "fmboost/core/error.h"

#include "diffusion/samplers.h"
#include "diffusion/timesteps.h"

namespace fmboost {
namespace {

// DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2), midpoint form: second order from the second step
// on, first order at the last one, whose noise level is zero.
class DpmPlusPlus2M final : public Sampler {
 public:
  DpmPlusPlus2M(const SamplerOptions& options, const NoiseSchedule& schedule) : prediction_(options.prediction) {
    const std::vector<double> table = schedule.sigmas();
    if (options.karras) {
      // The range is that of all noise levels, and the timesteps are integers.
      sigmas_ = karras_sigmas(table.back(), table.front(), options.steps);
      for (const double sigma : sigmas_) {
        timesteps_.push_back(std::nearbyint(timestep_of_sigma(table, sigma)));
      }
    } else {
      timesteps_ = choose_timesteps(schedule.options(), options.steps);
      for (const double t : timesteps_) {
        sigmas_.push_back(interpolate(table, t));
      }
    }
    sigmas_.push_back(0.0);
    // A step between equal noise levels would divide by zero.
    if (std::adjacent_find(sigmas_.begin(), sigmas_.end(), std::less_equal<>()) != sigmas_.end()) {
      throw UsageError(std::to_string(options.steps) + " steps are too many for dpm++2m on a schedule of " +
                       std::to_string(schedule.train_steps()) + ": their noise levels coincide; use fewer");
    }
  }

  const std::vector<double>& timesteps() const override { return timesteps_; }
  double init_noise_sigma() const override { return 1.0; }

 protected:
  void reset() override { previous_ = torch::Tensor(); }

  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index, const NoiseFunction&) override {
    const Level now(sigmas_[static_cast<std::size_t>(index)]);
    const Level next(sigmas_[static_cast<std::size_t>(index) + 1]);
    const torch::Tensor clean = split_prediction(x, output, now.alpha * now.alpha, prediction_).clean;
    const bool last = static_cast<std::size_t>(index) + 1 == timesteps_.size();
    // exp(-h) - 1, with h the step in log(alpha / sigma); -1 at the end, where h is infinite.
    const double decay = last ? -1.0 : std::expm1(now.lambda - next.lambda);
    torch::Tensor result = (next.sigma / now.sigma) * x - (next.alpha * decay) * clean;
    if (previous_.defined() && !last) {
      const Level before(sigmas_[static_cast<std::size_t>(index) - 1]);
      const double ratio = (now.lambda - before.lambda) / (next.lambda - now.lambda);
      result = result - (0.5 * next.alpha * decay / ratio) * (clean - previous_);
    }
    previous_ = clean;
    return result;
  }

 private:
  // A noise level in the variance-preserving form.
  struct Level {
    explicit Level(double level)
        : alpha(1 / std::sqrt(level * level + 1)), sigma(level * alpha), lambda(-std::log(level)) {}
    double alpha, sigma, lambda;
  };

  // Except with trailing spacing, one more point than steps is computed and the last one dropped.
  static std::vector<double> choose_timesteps(const NoiseScheduleOptions& options, int steps) {
    const TimestepSpacing spacing = options.timestep_spacing.value_or(TimestepSpacing::linspace);
    if (spacing == TimestepSpacing::trailing) {
      return spaced_timesteps(options, spacing, steps, /*round_linspace=*/true);
    }
    auto times = spaced_timesteps(options, spacing, steps + 1, /*round_linspace=*/true);
    times.pop_back();
    return times;
  }

  Prediction prediction_;
  std::vector<double> timesteps_;
  std::vector<double> sigmas_;
  torch::Tensor previous_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<DpmPlusPlus2M>(options, schedule);
}

}  // namespace fmboost
