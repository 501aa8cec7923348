#include "fmboost/flow/sde_solver.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

double diffusion(DiffusionForm form, double t, const Path& path) {
  switch (form) {
    case DiffusionForm::sigma:
      return path.sigma(torch::tensor(t, torch::kFloat64)).item<double>();
    case DiffusionForm::linear:
      return 1 - t;
    case DiffusionForm::decreasing:
      return 0.25 * std::pow(std::cos(std::numbers::pi * t) + 1, 2);
    case DiffusionForm::increasing_decreasing:
      return std::pow(std::sin(std::numbers::pi * t), 2);
    case DiffusionForm::constant:
      return 1.0;
  }
  throw Error("no such diffusion form");
}

}  // namespace

void SdeOptions::check() const {
  if (points < 2 || points > 100000) {
    throw UsageError("the SDE takes 2 to 100000 points, not " + std::to_string(points));
  }
  if (!(last_step_size > 0 && last_step_size < 1) || !(diffusion_norm >= 0 && std::isfinite(diffusion_norm))) {
    throw UsageError(
        "the last step of the SDE must be longer than 0 and shorter than 1, and the diffusion norm finite and at least "
        "0");
  }
  if (method == SdeMethod::heun && last_step == SdeLastStep::none) {
    throw UsageError(
        "the SDE method heun needs a last step: without one it evaluates the score at t = 1, which is infinite");
  }
}

torch::Tensor solve_sde(const VelocityField& velocity, const torch::Tensor& x, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer) {
  options.check();
  const auto g = [&](double t) { return options.diffusion_norm * diffusion(options.diffusion, t, path); };
  const auto drift = [&](double t, const torch::Tensor& state) {
    const torch::Tensor v = velocity(t, state);
    const torch::Tensor time = torch::full({state.size(0)}, t, torch::kFloat64);
    return v + g(t) * path.score_from_velocity(time, state, v);
  };
  const double end = options.last_step == SdeLastStep::none ? 1.0 : 1.0 - options.last_step_size;
  const double h = end / (options.points - 1);
  torch::Tensor state = x;
  for (int index = 0; index + 1 < options.points; ++index) {
    const double t = h * index;
    const torch::Tensor increment = std::sqrt(2 * g(t) * h) * noise();
    if (options.method == SdeMethod::euler) {
      state = state + drift(t, state) * h + increment;
    } else {
      const torch::Tensor noisy = state + increment;
      const torch::Tensor first = drift(t, noisy);
      const torch::Tensor second = drift(t + h, noisy + first * h);
      state = noisy + (first + second) * (0.5 * h);
    }
    if (observer) {
      observer(index + 1, t + h, state);
    }
  }
  if (options.last_step == SdeLastStep::none) {
    return state;
  }
  const torch::Tensor slope = options.last_step == SdeLastStep::mean ? drift(end, state) : velocity(end, state);
  state = state + slope * options.last_step_size;
  if (observer) {
    observer(options.points, 1.0, state);
  }
  return state;
}

torch::Tensor solve_sde(const VelocityField& velocity, const GaussianStart& start, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer) {
  const auto at = [](double t) { return torch::tensor(t, torch::kFloat64); };
  const auto to_x = [&](double t, const torch::Tensor& y) {
    return y * start.scale + start.mean * path.sigma(at(t)).item<double>();
  };
  const auto scaled_velocity = [&](double t, const torch::Tensor& y) {
    return (velocity(t, to_x(t, y)) - start.mean * path.sigma_derivative(at(t)).item<double>()) / start.scale;
  };
  FlowObserver watch;
  if (observer) {
    watch = [&](int index, double t, const torch::Tensor& y) { observer(index, t, to_x(t, y)); };
  }
  return solve_sde(scaled_velocity, start.noise, path, options, noise, watch) * start.scale;
}

}  // namespace fmboost
