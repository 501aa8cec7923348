#pragma once

#include <vector>

#include "fmboost/diffusion/noise_schedule.h"

namespace fmboost {

/// Timesteps and noise levels of the sigma-based samplers, as the diffusers schedulers place them.

/// n timesteps from noisy to clean. `round_linspace`: integers for linspace as well.
/// linspace: n points from 0 to T - 1; leading: multiples of T // n, plus the offset; trailing: round(T, T - T/n, ...)
/// - 1, rounded half to even. Throws UsageError if leading timesteps would exceed the schedule.
std::vector<double> spaced_timesteps(const NoiseScheduleOptions& options, TimestepSpacing spacing, int n,
                                     bool round_linspace);

/// Linear interpolation of a table given at 0, 1, 2, ...
double interpolate(const std::vector<double>& table, double position);

/// n noise levels from `high` to `low`, Karras et al. 2022 (arXiv 2206.00364), equation 5 with rho = 7.
std::vector<double> karras_sigmas(double high, double low, int n);

/// The timestep of a sigma, by interpolation of log sigma.
double timestep_of_sigma(const std::vector<double>& sigmas, double sigma);

}  // namespace fmboost
