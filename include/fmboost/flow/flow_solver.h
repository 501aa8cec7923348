#pragma once

#include <string>
#include <vector>

#include "fmboost/flow/ode_solver.h"
#include "fmboost/flow/sde_solver.h"

namespace fmboost {

/// A solver of the flow by its name: an ODE method, or "sde-" and an SDE method.
struct FlowSolver {
  std::string name = "euler";  ///< one of flow_solver_names()
  /// 1 to 1000 for an ODE. For an SDE 2 to 1000: steps - 1 with noise up to t = 0.96, then one along the velocity.
  int steps = 4;
  DiffusionForm diffusion_form = DiffusionForm::sigma;  ///< SDE only
  double diffusion_norm = 1;                            ///< SDE only; at least 0

  /// Throws UsageError naming the field that is out of range.
  void check() const;
  bool is_stochastic() const;
  OdeOptions ode() const;
  SdeOptions sde() const;
};

/// The valid values of FlowSolver::name: the ODE methods, then the SDE methods.
const std::vector<std::string>& flow_solver_names();

}  // namespace fmboost
