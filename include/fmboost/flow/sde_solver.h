#pragma once

#include <functional>
#include <torch/types.h>

#include "fmboost/core/enum_names.h"
#include "fmboost/flow/ode_solver.h"
#include "fmboost/flow/path.h"

namespace fmboost {

enum class SdeMethod {
  euler,  ///< Euler-Maruyama
  heun
};

template <>
inline constexpr auto kEnumNames<SdeMethod> = enum_table<SdeMethod>("SDE method", {{SdeMethod::euler, "euler"},
                                                                                   {SdeMethod::heun, "heun"}});

/// The diffusion coefficient g(t) of the SDE, before `diffusion_norm`: SiT, arXiv 2401.08740, and its code,
/// https://github.com/willisma/SiT (transport/path.py, compute_diffusion).
enum class DiffusionForm {
  sigma,                  ///< sigma(t) of the path
  linear,                 ///< 1 - t
  decreasing,             ///< (cos(pi t) + 1)^2 / 4
  increasing_decreasing,  ///< sin^2(pi t)
  constant                ///< 1
};

template <>
inline constexpr auto kEnumNames<DiffusionForm> =
    enum_table<DiffusionForm>("diffusion form", {{DiffusionForm::sigma, "sigma"},
                                                 {DiffusionForm::linear, "linear"},
                                                 {DiffusionForm::decreasing, "decreasing"},
                                                 {DiffusionForm::increasing_decreasing, "increasing-decreasing"},
                                                 {DiffusionForm::constant, "constant"}});

/// The last step of the SDE, which draws no noise because the score is infinite at t = 1.
enum class SdeLastStep {
  mean,   ///< follows the drift f
  euler,  ///< follows the velocity v
  none    ///< no separate last step: the grid ends at t = 1; not with heun
};

template <>
inline constexpr auto kEnumNames<SdeLastStep> = enum_table<SdeLastStep>("last step", {{SdeLastStep::mean, "mean"},
                                                                                      {SdeLastStep::euler, "euler"},
                                                                                      {SdeLastStep::none, "none"}});

/// The stochastic sampler of SiT (arXiv 2401.08740): drift f = v + g(t) score, dx = f dt + sqrt(2 g) dW.
struct SdeOptions {
  SdeMethod method = SdeMethod::euler;
  DiffusionForm diffusion = DiffusionForm::sigma;
  double diffusion_norm = 1.0;                ///< multiplies g; at least 0
  int points = 250;                           ///< grid points of linspace(0, 1 - last_step_size, points)
  SdeLastStep last_step = SdeLastStep::mean;  ///< the step from the end of the grid to t = 1
  double last_step_size = 0.04;               ///< between 0 and 1

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// Solves the SDE from x at t = 0, where x must be standard normal, and returns the state at t = 1. `noise` is called
/// once per step, in order, and returns standard normal noise of the shape of x.
torch::Tensor solve_sde(const VelocityField& velocity, const torch::Tensor& x, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer = {});

/// A start that is normal around a known mean: x0 = mean + scale * noise.
struct GaussianStart {
  torch::Tensor mean;
  double scale = 1;     ///< above 0
  torch::Tensor noise;  ///< standard normal
};

/// The same from a start that is normal around a known mean, such as a noised context. The velocity must be that of
/// samples with this mean. With y_t = (x_t - sigma(t) mean) / scale the start is standard normal and the path is the
/// same, so y is solved; the noise that is added to x is thus scaled like the noise of the start.
torch::Tensor solve_sde(const VelocityField& velocity, const GaussianStart& start, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer = {});

}  // namespace fmboost
