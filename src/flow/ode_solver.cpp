#include "fmboost/flow/ode_solver.h"

#include "fmboost/core/enum_names.h"
#include "fmboost/core/error.h"

#include "flow/runge_kutta.h"

namespace fmboost {

const std::vector<std::string>& ode_method_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& method : tableaus()) {
      all.emplace_back(method.name);
    }
    return all;
  }();
  return names;
}

void OdeOptions::check() const {
  if (find_tableau(method) == nullptr) {
    throw_unknown_name("flow solver", method, ode_method_names());
  }
  if (steps < 1 || steps > 1000) {
    throw UsageError("the flow solver takes 1 to 1000 steps, not " + std::to_string(steps));
  }
  if (!(absolute_tolerance > 0) || !(relative_tolerance >= 0)) {
    throw UsageError("the flow solver's tolerances must be positive");
  }
}

std::vector<torch::Tensor> stage_slopes(const Tableau& method, const VelocityField& field, double t, double h,
                                        const torch::Tensor& x, const torch::Tensor& first) {
  std::vector<torch::Tensor> slopes;
  for (std::size_t stage = 0; stage < method.c.size(); ++stage) {
    if (stage == 0) {
      slopes.push_back(first.defined() ? first : field(t, x));
    } else {
      slopes.push_back(field(t + method.c[stage] * h, x + weighted_sum(method.a[stage], slopes) * h));
    }
  }
  return slopes;
}

torch::Tensor weighted_sum(const std::vector<double>& weights, const std::vector<torch::Tensor>& slopes) {
  torch::Tensor sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] != 0) {
      const torch::Tensor term = slopes[i] * weights[i];
      sum = sum.defined() ? sum + term : term;
    }
  }
  return sum;
}

torch::Tensor solve_ode(const VelocityField& field, const torch::Tensor& x, const OdeOptions& options,
                        const FlowObserver& observer) {
  options.check();
  const Tableau& method = *find_tableau(options.method);
  AdaptiveIntegrator integrator(method, field, options.absolute_tolerance, options.relative_tolerance);
  torch::Tensor state = x;
  if (observer) {
    observer(0, 0.0, state);
  }
  for (int index = 0; index < options.steps; ++index) {
    const double t = static_cast<double>(index) / options.steps;
    const double next = static_cast<double>(index + 1) / options.steps;
    if (method.adaptive()) {
      state = integrator.integrate(t, next, state);
    } else {
      state = state + weighted_sum(method.b, stage_slopes(method, field, t, next - t, state)) * (next - t);
    }
    if (observer) {
      observer(index + 1, next, state);
    }
  }
  return state;
}

}  // namespace fmboost
