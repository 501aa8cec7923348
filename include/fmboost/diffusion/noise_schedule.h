#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "fmboost/core/enum_names.h"

namespace fmboost {

/// The output of a denoiser. Names as in diffusers.
enum class Prediction { epsilon, v };

template <>
inline constexpr auto kEnumNames<Prediction> =
    enum_table<Prediction>("prediction type", {{Prediction::epsilon, "epsilon"}, {Prediction::v, "v_prediction"}});

enum class BetaSchedule { scaled_linear, linear };

template <>
inline constexpr auto kEnumNames<BetaSchedule> = enum_table<BetaSchedule>(
    "beta schedule", {{BetaSchedule::scaled_linear, "scaled_linear"}, {BetaSchedule::linear, "linear"}});

enum class TimestepSpacing { linspace, leading, trailing };

template <>
inline constexpr auto kEnumNames<TimestepSpacing> =
    enum_table<TimestepSpacing>("timestep spacing", {{TimestepSpacing::linspace, "linspace"},
                                                     {TimestepSpacing::leading, "leading"},
                                                     {TimestepSpacing::trailing, "trailing"}});

/// The fields of a diffusers scheduler configuration that affect the results.
struct NoiseScheduleOptions {
  double beta_start = 0.00085;
  double beta_end = 0.012;
  BetaSchedule beta_schedule = BetaSchedule::scaled_linear;
  int train_steps = 1000;
  /// None: the default of the diffusers class of the sampler: leading for DDIM; linspace for Euler, Euler ancestral and
  /// DPM++ 2M.
  std::optional<TimestepSpacing> timestep_spacing = std::nullopt;
  int steps_offset = 0;           ///< added to leading timesteps
  bool set_alpha_to_one = false;  ///< DDIM and LCM: the last step ends at alpha_bar = 1 instead of alpha_bar[0]
  int original_steps = 50;        ///< LCM and TCD: steps of the teacher's schedule
  double timestep_scaling = 10;   ///< LCM: scaling of the boundary conditions
  /// Rescales alpha_bar so that no signal is left at the last step (Lin et al. 2023, arXiv 2305.08891, algorithm 1).
  bool rescale_betas_zero_snr = false;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// alpha_bar of every training step, and quantities derived from it.
class NoiseSchedule {
 public:
  explicit NoiseSchedule(NoiseScheduleOptions options);

  const NoiseScheduleOptions& options() const { return options_; }
  int train_steps() const { return options_.train_steps; }
  double alpha_bar(int t) const { return alphas_bar_.at(static_cast<std::size_t>(t)); }
  const std::vector<double>& alphas_bar() const { return alphas_bar_; }
  /// sqrt((1 - alpha_bar) / alpha_bar) of every training step, ascending; an alpha_bar of 0 counts as 2^-24, as in
  /// diffusers.
  std::vector<double> sigmas() const;
  /// The alpha_bar at the end of the last step.
  double final_alpha_bar() const { return options_.set_alpha_to_one ? 1.0 : alphas_bar_.front(); }

 private:
  NoiseScheduleOptions options_;
  std::vector<double> alphas_bar_;  ///< rounded to float32 as diffusers' are, held in float64
};

}  // namespace fmboost
