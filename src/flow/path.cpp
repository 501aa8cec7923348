#include "fmboost/flow/path.h"

#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr double kHalfPi = std::numbers::pi / 2;

// One time per sample, shaped to multiply x.
torch::Tensor broadcast_time(const torch::Tensor& t, const torch::Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = t.size(0);
  return t.to(x.device(), x.scalar_type()).reshape(shape);
}

}  // namespace

Path::Path(PathKind kind, double sigma_min) : kind_(kind), sigma_min_(sigma_min) {
  if (sigma_min < 0 || (sigma_min > 0 && kind != PathKind::linear)) {
    throw UsageError("`sigma_min` must be at least 0; only the linear path allows a value above 0");
  }
}

torch::Tensor Path::alpha(const torch::Tensor& t) const {
  return kind_ == PathKind::linear ? t : torch::sin(t * kHalfPi);
}

torch::Tensor Path::sigma(const torch::Tensor& t) const {
  return kind_ == PathKind::linear ? 1 - t : torch::cos(t * kHalfPi);
}

torch::Tensor Path::alpha_derivative(const torch::Tensor& t) const {
  return kind_ == PathKind::linear ? torch::ones_like(t) : torch::cos(t * kHalfPi) * kHalfPi;
}

torch::Tensor Path::sigma_derivative(const torch::Tensor& t) const {
  return kind_ == PathKind::linear ? -torch::ones_like(t) : torch::sin(t * kHalfPi) * -kHalfPi;
}

torch::Tensor Path::interpolate(const torch::Tensor& t, const torch::Tensor& x0, const torch::Tensor& x1,
                                const torch::Tensor& noise) const {
  const torch::Tensor time = broadcast_time(t, x1);
  const torch::Tensor x = alpha(time) * x1 + sigma(time) * x0;
  return sigma_min_ > 0 ? x + sigma_min_ * noise : x;
}

torch::Tensor Path::velocity(const torch::Tensor& t, const torch::Tensor& x0, const torch::Tensor& x1) const {
  const torch::Tensor time = broadcast_time(t, x1);
  return alpha_derivative(time) * x1 + sigma_derivative(time) * x0;
}

// Both follow from solving x = alpha x1 + sigma x0, v = alpha' x1 + sigma' x0 for x0.
torch::Tensor Path::noise_from_velocity(const torch::Tensor& t, const torch::Tensor& x,
                                        const torch::Tensor& velocity) const {
  const torch::Tensor time = broadcast_time(t, x);
  const torch::Tensor ratio = alpha(time) / alpha_derivative(time);
  return (x - ratio * velocity) / (sigma(time) - ratio * sigma_derivative(time));
}

torch::Tensor Path::score_from_velocity(const torch::Tensor& t, const torch::Tensor& x,
                                        const torch::Tensor& velocity) const {
  return -noise_from_velocity(t, x, velocity) / sigma(broadcast_time(t, x));
}

}  // namespace fmboost
