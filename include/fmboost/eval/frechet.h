#pragma once

#include <cstdint>
#include <torch/types.h>

namespace fmboost {

/// Mean and covariance of feature vectors that arrive in batches and are not stored. Computed in float64 and merged
/// with the method of Chan, Golub and LeVeque (1983), which avoids cancellation for any number of images.
class FeatureStatistics {
 public:
  /// features: (N, D), any floating-point type and device; D is the same in every call. Throws Error otherwise.
  void add(const torch::Tensor& features);

  std::int64_t count() const { return count_; }
  /// D; 0 before the first vector.
  std::int64_t width() const { return mean_.defined() ? mean_.size(0) : 0; }
  /// (D) float64
  const torch::Tensor& mean() const { return mean_; }
  /// (D, D) float64, with the divisor n - 1. Throws Error for fewer than two vectors.
  torch::Tensor covariance() const;

 private:
  std::int64_t count_ = 0;
  torch::Tensor mean_;
  torch::Tensor scatter_;  ///< sum of the outer products of deviations from the mean
};

/// Whether sets with too few vectors for a covariance of full rank may be compared.
enum class FewImages { refuse, allow };

/// Throws Error if sets of `a` and `b` images with `width` features each are too small to be compared: a covariance
/// needs two images, and unless `few` allows fewer, full rank needs more images than features. Without full rank the
/// distance depends on the number of images more than on the images.
void check_image_counts(std::int64_t a, std::int64_t b, std::int64_t width, FewImages few);

/// The Frechet distance of two Gaussians, |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) (Heusel et al. 2017; squared, as
/// FID is defined). tr (A B)^(1/2) is computed as the trace of the root of the symmetric A^(1/2) B A^(1/2), in float64.
/// Throws Error if the widths differ, and what check_image_counts() throws.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b, FewImages few = FewImages::refuse);

}  // namespace fmboost
