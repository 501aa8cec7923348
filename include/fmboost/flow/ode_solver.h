#pragma once

#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// dx/dt at time t in [0, 1]; x is (B, ...), the result has its shape.
using VelocityField = std::function<torch::Tensor(double t, const torch::Tensor& x)>;

/// Told of every grid point that has been reached, t and the state there.
using FlowObserver = std::function<void(int index, double t, const torch::Tensor& x)>;

struct OdeOptions {
  std::string method = "euler";      ///< euler, midpoint, rk4, heun3 (fixed grid); dopri5, bosh3 (adaptive)
  int steps = 4;                     ///< intervals of the grid linspace(0, 1, steps + 1)
  bool reverse = false;              ///< run the grid from 1 to 0
  double absolute_tolerance = 1e-6;  ///< adaptive methods only
  double relative_tolerance = 1e-3;  ///< adaptive methods only

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
};

/// The names that OdeOptions::method takes.
const std::vector<std::string>& ode_method_names();

/// Solves dx/dt = field(t, x) over the grid and returns the state at its end. Adaptive methods choose their own steps
/// with the error's RMS over the whole batch, as torchdiffeq does, and land on every grid point they are observed at;
/// where the field is not finite the state becomes NaN, as it does on fixed grids. rk4 is the 3/8 rule, as in
/// torchdiffeq. Throws Error when an adaptive method makes 100000 steps without arriving.
torch::Tensor solve_ode(const VelocityField& field, const torch::Tensor& x, const OdeOptions& options,
                        const FlowObserver& observer = {});

}  // namespace fmboost
