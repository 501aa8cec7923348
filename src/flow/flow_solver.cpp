#include "fmboost/flow/flow_solver.h"

#include <algorithm>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::string_view kSdePrefix = "sde-";

}  // namespace

const std::vector<std::string>& flow_solver_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = ode_method_names();
    for (const auto& method : enum_names<SdeMethod>()) {
      all.push_back(std::string(kSdePrefix) + method);
    }
    return all;
  }();
  return names;
}

void FlowSolver::check() const {
  const auto& names = flow_solver_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw_unknown_name("flow solver", name, names);
  }
  if (!is_stochastic()) {
    ode().check();
    return;
  }
  if (steps < 2 || steps > 1000) {
    throw UsageError("the flow solver " + name + " takes 2 to 1000 steps, not " + std::to_string(steps));
  }
  sde().check();
}

bool FlowSolver::is_stochastic() const {
  return name.starts_with(kSdePrefix);
}

OdeOptions FlowSolver::ode() const {
  return {.method = name, .steps = steps};
}

// The last step follows the velocity, which leads to the end of the path whatever the diffusion form: the drift would
// leave noise in the image.
SdeOptions FlowSolver::sde() const {
  return {.method = parse_enum<SdeMethod>(std::string_view(name).substr(kSdePrefix.size())),
          .diffusion = diffusion_form,
          .diffusion_norm = diffusion_norm,
          .points = steps,
          .last_step = SdeLastStep::euler};
}

}  // namespace fmboost
