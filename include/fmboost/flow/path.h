#pragma once

#include <torch/types.h>

#include "fmboost/core/enum_names.h"

namespace fmboost {

/// An interpolation x_t = alpha(t) x1 + sigma(t) x0 between noise side x0 (t = 0) and data side x1 (t = 1), with
/// velocity u_t = alpha'(t) x1 + sigma'(t) x0. Linear: alpha = t, sigma = 1 - t. GVP: alpha = sin(pi t / 2),
/// sigma = cos(pi t / 2). SiT, arXiv 2401.08740.
enum class PathKind { linear, gvp };

template <>
inline constexpr auto kEnumNames<PathKind> = enum_table<PathKind>("path", {{PathKind::linear, "linear"},
                                                                           {PathKind::gvp, "gvp"}});

/// t is (B), one time per sample; x0, x1, x and velocity are (B, ...). Results have the dtype and device of x.
class Path {
 public:
  explicit Path(PathKind kind, double sigma_min = 0.0);

  PathKind kind() const { return kind_; }
  torch::Tensor alpha(const torch::Tensor& t) const;
  torch::Tensor sigma(const torch::Tensor& t) const;
  torch::Tensor alpha_derivative(const torch::Tensor& t) const;
  torch::Tensor sigma_derivative(const torch::Tensor& t) const;

  /// x_t; with sigma_min, plus sigma_min times `noise` (of the shape of x1).
  torch::Tensor interpolate(const torch::Tensor& t, const torch::Tensor& x0, const torch::Tensor& x1,
                            const torch::Tensor& noise = {}) const;
  torch::Tensor velocity(const torch::Tensor& t, const torch::Tensor& x0, const torch::Tensor& x1) const;

  /// grad log p_t(x) from the velocity at x, for x0 standard normal.
  torch::Tensor score_from_velocity(const torch::Tensor& t, const torch::Tensor& x,
                                    const torch::Tensor& velocity) const;
  /// The expected x0 from the velocity at x.
  torch::Tensor noise_from_velocity(const torch::Tensor& t, const torch::Tensor& x,
                                    const torch::Tensor& velocity) const;

 private:
  PathKind kind_;
  double sigma_min_;
};

}  // namespace fmboost
