#pragma once

#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// dx/dt at time t in [0, 1]; x is (B, ...), the result has the shape of x.
using VelocityField = std::function<torch::Tensor(double t, const torch::Tensor& x)>;

/// Called at every grid point with its index, t and the state.
using FlowObserver = std::function<void(int index, double t, const torch::Tensor& x)>;

struct OdeOptions {
  std::string method = "euler";      ///< euler, midpoint, rk4, heun3 (fixed grid); dopri5, bosh3 (adaptive)
  int steps = 4;                     ///< intervals of the grid linspace(0, 1, steps + 1)
  double absolute_tolerance = 1e-6;  ///< adaptive methods only
  double relative_tolerance = 1e-3;  ///< adaptive methods only

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
};

/// The valid values of OdeOptions::method.
const std::vector<std::string>& ode_method_names();

/// Solves dx/dt = field(t, x) from t = 0 to t = 1 and returns the final state. Adaptive methods control the RMS of the
/// error over the whole batch, as torchdiffeq does, and step onto every grid point; if the field is not finite, the
/// state becomes NaN, as with fixed grids. rk4 is the 3/8 rule, as in torchdiffeq. Throws Error if an adaptive method
/// has not arrived after 100000 steps.
torch::Tensor solve_ode(const VelocityField& field, const torch::Tensor& x, const OdeOptions& options,
                        const FlowObserver& observer = {});

}  // namespace fmboost
