#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Mean and covariance of feature vectors that come in batches and are not kept: float64, merged as Chan, Golub and
/// LeVeque (1983) merge them, so that any number of images fits and nothing cancels.
class FeatureStatistics {
 public:
  /// features: (N, D), any floating-point type and device; D is the same in every call. Throws Error when it is not.
  void add(const torch::Tensor& features);

  std::int64_t count() const { return count_; }
  /// D; 0 while there is nothing.
  std::int64_t width() const { return mean_.defined() ? mean_.size(0) : 0; }
  /// (D) float64
  const torch::Tensor& mean() const { return mean_; }
  /// (D, D) float64, with the divisor n - 1. Throws Error below two vectors.
  torch::Tensor covariance() const;

 private:
  std::int64_t count_ = 0;
  torch::Tensor mean_;
  torch::Tensor scatter_;  ///< sum of the outer products of deviations from the mean
};

/// Whether fewer vectors than a covariance of full rank needs may be compared.
enum class FewImages { refuse, allow };

/// Throws Error when sets of `a` and `b` images with `width` features each are too small to be compared: below two
/// images there is no covariance, and unless `few` allows it there must be more images than features. Otherwise the
/// covariance has no full rank, and the distance depends on the number of images more than on the images.
void check_image_counts(std::int64_t a, std::int64_t b, std::int64_t width, FewImages few);

/// The Frechet distance of two Gaussians, |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) (Heusel et al. 2017; squared, as
/// FID is given). tr (A B)^(1/2) is computed as the trace of the root of the symmetric A^(1/2) B A^(1/2), in float64.
/// Throws Error when the widths differ, and what check_image_counts throws.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b, FewImages few = FewImages::refuse);

}  // namespace fmboost
