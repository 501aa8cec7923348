#pragma once

#include <string>
#include <torch/types.h>

namespace fmboost {

/// An interpolation x_t = alpha(t) x1 + sigma(t) x0 between noise side x0 (t = 0) and data side x1 (t = 1), with
/// velocity u_t = alpha'(t) x1 + sigma'(t) x0. Linear: alpha = t, sigma = 1 - t. GVP: alpha = sin(pi t / 2),
/// sigma = cos(pi t / 2). SiT, arXiv 2401.08740.
enum class PathKind { linear, gvp };

/// "linear" or "gvp". Throws UsageError otherwise.
PathKind parse_path(const std::string& name);
std::string path_name(PathKind kind);

/// t is (B), one time a sample; x0, x1, x, velocity are (B, ...). ResultReporter have x's dtype and device.
class Path {
 public:
  explicit Path(PathKind kind, double sigma_min = 0.0);

  PathKind kind() const { return kind_; }
  torch::Tensor alpha(const torch::Tensor& t) const;
  torch::Tensor sigma(const torch::Tensor& t) const;
  torch::Tensor alpha_derivative(const torch::Tensor& t) const;
  torch::Tensor sigma_derivative(const torch::Tensor& t) const;

  /// x_t; with sigma_min, `noise` (as x1) times sigma_min on top.
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
