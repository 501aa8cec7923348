#pragma once

#include <string_view>
#include <vector>

#include "fmboost/flow/ode_solver.h"

namespace fmboost {

/// The Butcher tableau of an explicit Runge-Kutta method. Stage i is evaluated at t + c[i] h from the previous slopes,
/// weighted by a[i]; the step adds h sum b[i] k[i]. Adaptive methods also have the weights of their error estimate, and
/// their last stage is the slope at the end of the step (first same as last).
struct Tableau {
  std::string_view name;
  int order;
  std::vector<double> c;
  std::vector<std::vector<double>> a;
  std::vector<double> b;
  std::vector<double> error;  ///< empty for fixed-grid methods

  bool adaptive() const { return !error.empty(); }
};

/// The method of that name, or null.
const Tableau* find_tableau(std::string_view name);
const std::vector<Tableau>& tableaus();

/// Slopes of all stages; `first`, if defined, is the slope at (t, x) from the previous step.
std::vector<torch::Tensor> stage_slopes(const Tableau& method, const VelocityField& field, double t, double h,
                                        const torch::Tensor& x, const torch::Tensor& first = {});

/// Sum of weights[i] slopes[i] over the nonzero weights.
torch::Tensor weighted_sum(const std::vector<double>& weights, const std::vector<torch::Tensor>& slopes);

/// Integrates from t0 to t1 > t0 with steps that keep the error within the tolerances. Step size control as in
/// torchdiffeq: RMS norm over all elements, safety 0.9, factors within [0.2, 10]. Ends exactly at t1.
class AdaptiveIntegrator {
 public:
  AdaptiveIntegrator(const Tableau& method, const VelocityField& field, double absolute, double relative);

  torch::Tensor integrate(double t0, double t1, const torch::Tensor& x);

 private:
  double first_step(double t, const torch::Tensor& x, const torch::Tensor& slope) const;
  double error_ratio(const torch::Tensor& error, const torch::Tensor& before, const torch::Tensor& after) const;

  const Tableau& method_;
  const VelocityField& field_;
  double absolute_, relative_;
  double step_ = 0;      ///< step size to try next; 0 before the first step
  torch::Tensor slope_;  ///< at the current point; undefined before the first step
};

}  // namespace fmboost
