#pragma once

#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/flow/ode_solver.h"
#include "fmboost/flow/path.h"

namespace fmboost {

/// The stochastic sampler of SiT (arXiv 2401.08740): drift f = v + g(t) score, dx = f dt + sqrt(2 g) dW.
struct SdeOptions {
  std::string method = "euler";     ///< euler (Euler-Maruyama) or heun
  std::string diffusion = "sigma";  ///< g: sigma, linear, decreasing, increasing-decreasing or constant
  double diffusion_norm = 1.0;      ///< multiplies g
  int points = 250;                 ///< grid points of linspace(0, 1 - last_step_size, points)
  std::string last_step = "mean";   ///< mean (drift f), euler (velocity v) or none (the grid ends at 1; not with heun)
  double last_step_size = 0.04;     ///< length of the last step, which draws no noise: the score is infinite at t = 1

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
};

/// `noise` is called once a step, in order, for standard normal noise of x's shape.
torch::Tensor solve_sde(const VelocityField& velocity, const torch::Tensor& x, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer = {});

}  // namespace fmboost
