#include <algorithm>
#include <cmath>
#include <limits>

#include "fmboost/core/error.h"

#include "flow/runge_kutta.h"

namespace fmboost {
namespace {

constexpr double kSafety = 0.9;
constexpr double kSmallestFactor = 0.2;
constexpr double kLargestFactor = 10.0;
constexpr int kMaxSteps = 100000;

double rms(const torch::Tensor& x) {
  return x.square().mean().sqrt().item<double>();
}

}  // namespace

AdaptiveIntegrator::AdaptiveIntegrator(const Tableau& method, const VelocityField& field, double absolute,
                                       double relative)
    : method_(method), field_(field), absolute_(absolute), relative_(relative) {}

double AdaptiveIntegrator::error_ratio(const torch::Tensor& error, const torch::Tensor& before,
                                       const torch::Tensor& after) const {
  const torch::Tensor tolerance = absolute_ + relative_ * torch::maximum(before.abs(), after.abs());
  return rms(error / tolerance);
}

// Hairer, Norsett, Wanner, II.4, "Starting Step Size".
double AdaptiveIntegrator::first_step(double t, const torch::Tensor& x, const torch::Tensor& slope) const {
  const torch::Tensor scale = absolute_ + x.abs() * relative_;
  const double size = rms(x / scale);
  const double speed = rms(slope / scale);
  const double guess = size < 1e-5 || speed < 1e-5 ? 1e-6 : 0.01 * size / speed;
  const torch::Tensor next_slope = field_(t + guess, x + slope * guess);
  const double curvature = rms((next_slope - slope) / scale) / guess;
  const double larger = std::max(speed, curvature);
  const double second = larger <= 1e-15 ? std::max(1e-6, guess * 1e-3) : std::pow(0.01 / larger, 1.0 / method_.order);
  return std::min(100 * guess, second);
}

torch::Tensor AdaptiveIntegrator::integrate(double t0, double t1, const torch::Tensor& x) {
  torch::Tensor state = x;
  double t = t0;
  if (!slope_.defined()) {
    slope_ = field_(t, state);
  }
  if (step_ == 0) {
    step_ = first_step(t, state, slope_);
  }
  for (int count = 0; t < t1; ++count) {
    if (count == kMaxSteps) {
      throw Error("the adaptive solver made " + std::to_string(kMaxSteps) +
                  " steps without reaching the end; use a fixed-grid solver");
    }
    const bool arrives = step_ >= (t1 - t) * (1 - 1e-12);
    const double h = arrives ? t1 - t : step_;
    const auto slopes = stage_slopes(method_, field_, t, h, state, slope_);
    const torch::Tensor next = state + weighted_sum(method_.b, slopes) * h;
    const double ratio = error_ratio(weighted_sum(method_.error, slopes) * h, state, next);
    if (!std::isfinite(ratio)) {
      return torch::full_like(state, std::numeric_limits<double>::quiet_NaN());
    }
    const double wanted = ratio == 0 ? kLargestFactor : kSafety * std::pow(ratio, -1.0 / method_.order);
    const bool accepted = ratio <= 1;
    const double factor = std::clamp(wanted, accepted ? 1.0 : kSmallestFactor, kLargestFactor);
    // A shortened last step is a poor basis for the next step size.
    step_ = arrives && accepted ? std::max(step_, h * factor) : h * factor;
    if (accepted) {
      t = arrives ? t1 : t + h;
      state = next;
      slope_ = slopes.back();
    }
  }
  return state;
}

}  // namespace fmboost
