#pragma once

#include <string>
#include <vector>

namespace fmboost {

/// What a denoiser predicts.
enum class Prediction { epsilon, v };

/// "epsilon" or "v_prediction", as diffusers names them. Throws UsageError otherwise.
Prediction parse_prediction(const std::string& name);

enum class TimestepSpacing { linspace, leading, trailing };

/// The part of a diffusers scheduler configuration that the arithmetic depends on. Fields that a configuration leaves
/// open (empty spacing) take the default of the diffusers class of the sampler in use: DDIM leading, Euler, Euler
/// ancestral and DPM++ 2M linspace.
struct NoiseScheduleOptions {
  double beta_start = 0.00085;
  double beta_end = 0.012;
  std::string beta_schedule = "scaled_linear";  ///< scaled_linear or linear
  int train_steps = 1000;
  std::string timestep_spacing;   ///< linspace, leading, trailing; empty: the sampler's own default
  int steps_offset = 0;           ///< added to leading timesteps
  bool set_alpha_to_one = false;  ///< DDIM's and LCM's last step ends at alpha_bar = 1 instead of alpha_bar[0]
  int original_steps = 50;        ///< LCM: steps of the teacher's schedule
  double timestep_scaling = 10;   ///< LCM: scaling of the boundary conditions

  /// Throws UsageError naming the field that is out of range or unknown.
  void check() const;
};

/// alpha_bar of every training step, and what follows from it.
class NoiseSchedule {
 public:
  explicit NoiseSchedule(NoiseScheduleOptions options);

  const NoiseScheduleOptions& options() const { return options_; }
  int train_steps() const { return options_.train_steps; }
  double alpha_bar(int t) const { return alphas_bar_.at(static_cast<std::size_t>(t)); }
  const std::vector<double>& alphas_bar() const { return alphas_bar_; }
  /// sqrt((1 - alpha_bar) / alpha_bar) of every training step, ascending.
  std::vector<double> sigmas() const;
  /// The alpha_bar that a last step ends at.
  double final_alpha_bar() const { return options_.set_alpha_to_one ? 1.0 : alphas_bar_.front(); }

 private:
  NoiseScheduleOptions options_;
  std::vector<double> alphas_bar_;  ///< rounded to float32 as diffusers' are, held in float64
};

}  // namespace fmboost
