#include "fmboost/flow/sde_solver.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

struct DiffusionForm {
  const char* name;
  double (*value)(double t, const Path& path);
};

double sigma_at(double t, const Path& path) {
  return path.sigma(torch::tensor(t, torch::kFloat64)).item<double>();
}

constexpr DiffusionForm kForms[] = {
    {"sigma", sigma_at},
    {"linear", [](double t, const Path&) { return 1 - t; }},
    {"decreasing", [](double t, const Path&) { return 0.25 * std::pow(std::cos(std::numbers::pi * t) + 1, 2); }},
    {"increasing-decreasing", [](double t, const Path&) { return std::pow(std::sin(std::numbers::pi * t), 2); }},
    {"constant", [](double, const Path&) { return 1.0; }},
};

const DiffusionForm* find_form(const std::string& name) {
  for (const auto& form : kForms) {
    if (name == form.name) {
      return &form;
    }
  }
  return nullptr;
}

}  // namespace

void SdeOptions::check() const {
  if (method != "euler" && method != "heun") {
    throw UsageError("unknown SDE method '" + method + "': use euler or heun");
  }
  if (find_form(diffusion) == nullptr) {
    throw UsageError("unknown diffusion form '" + diffusion +
                     "': use sigma, linear, decreasing, increasing-decreasing or constant");
  }
  if (last_step != "mean" && last_step != "euler" && last_step != "none") {
    throw UsageError("unknown last step '" + last_step + "': use mean, euler or none");
  }
  if (points < 2 || points > 100000) {
    throw UsageError("the SDE takes 2 to 100000 points, not " + std::to_string(points));
  }
  if (!(last_step_size > 0 && last_step_size < 1) || !(diffusion_norm >= 0 && std::isfinite(diffusion_norm))) {
    throw UsageError("the SDE's last step must be longer than 0 and shorter than 1, its diffusion norm at least 0");
  }
  if (method == "heun" && last_step == "none") {
    throw UsageError(
        "the SDE method heun needs a last step: without one it asks for the score at t = 1, which is infinite");
  }
}

torch::Tensor solve_sde(const VelocityField& velocity, const torch::Tensor& x, const Path& path,
                        const SdeOptions& options, const std::function<torch::Tensor()>& noise,
                        const FlowObserver& observer) {
  options.check();
  const auto g = [&, form = find_form(options.diffusion)](double t) {
    return options.diffusion_norm * form->value(t, path);
  };
  const auto drift = [&](double t, const torch::Tensor& state) {
    const torch::Tensor v = velocity(t, state);
    const torch::Tensor time = torch::full({state.size(0)}, t, torch::kFloat64);
    return v + g(t) * path.score_from_velocity(time, state, v);
  };
  const double end = options.last_step == "none" ? 1.0 : 1.0 - options.last_step_size;
  const double h = end / (options.points - 1);
  torch::Tensor state = x;
  for (int index = 0; index + 1 < options.points; ++index) {
    const double t = h * index;
    const torch::Tensor kick = std::sqrt(2 * g(t) * h) * noise();
    if (options.method == "euler") {
      state = state + drift(t, state) * h + kick;
    } else {
      const torch::Tensor shaken = state + kick;
      const torch::Tensor first = drift(t, shaken);
      const torch::Tensor second = drift(t + h, shaken + first * h);
      state = shaken + (first + second) * (0.5 * h);
    }
    if (observer) {
      observer(index + 1, t + h, state);
    }
  }
  if (options.last_step == "none") {
    return state;
  }
  const torch::Tensor slope = options.last_step == "mean" ? drift(end, state) : velocity(end, state);
  state = state + slope * options.last_step_size;
  if (observer) {
    observer(options.points, 1.0, state);
  }
  return state;
}

}  // namespace fmboost
