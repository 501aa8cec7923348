#include "fmboost/eval/frechet.h"

#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <algorithm>
#include <string>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// The symmetric root of a positive semidefinite matrix; rounding may have made its smallest eigenvalues negative.
torch::Tensor symmetric_root(const torch::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::matmul(vectors * values.clamp_min(0).sqrt(), vectors.t());
}

}  // namespace

void check_image_counts(std::int64_t a, std::int64_t b, std::int64_t width, FewImages few) {
  const bool allowed = few == FewImages::allow;
  const std::int64_t least = allowed ? 2 : width + 1;
  if (std::min(a, b) < least) {
    throw Error("the Frechet distance of " + std::to_string(width) + " features needs at least " +
                std::to_string(least) + " images per set" + (allowed ? "" : " for covariances of full rank") +
                ", got " + std::to_string(a) + " and " + std::to_string(b) +
                (allowed ? "" : "; add images, or use `allow_few` for a value that depends on their number"));
  }
}

void FeatureStatistics::add(const torch::Tensor& features) {
  if (features.dim() != 2 || (mean_.defined() && features.size(1) != width())) {
    throw Error(c10::str("features must be (images, ", mean_.defined() ? std::to_string(width()) : "width", "), got ",
                         features.sizes()));
  }
  if (features.size(0) == 0) {
    return;
  }
  const torch::Tensor batch = features.to(torch::kCPU, torch::kFloat64);
  const torch::Tensor batch_mean = batch.mean(0);
  const torch::Tensor deviations = batch - batch_mean;
  if (!mean_.defined()) {
    mean_ = at::zeros_like(batch_mean);
    scatter_ = torch::zeros({batch.size(1), batch.size(1)}, torch::kFloat64);
  }
  const auto old_count = static_cast<double>(count_);
  const auto new_count = static_cast<double>(batch.size(0));
  const torch::Tensor shift = batch_mean - mean_;
  scatter_.addmm_(deviations.t(), deviations);
  scatter_.addr_(shift, shift, 1, old_count * new_count / (old_count + new_count));
  mean_ = mean_ + shift * (new_count / (old_count + new_count));
  count_ += batch.size(0);
}

torch::Tensor FeatureStatistics::covariance() const {
  if (count_ < 2) {
    throw Error("a covariance needs at least two images, got " + std::to_string(count_));
  }
  return scatter_ / static_cast<double>(count_ - 1);
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b, FewImages few) {
  if (a.width() != b.width()) {
    throw Error("the two sets have " + std::to_string(a.width()) + " and " + std::to_string(b.width()) +
                " features; they must come from the same program");
  }
  check_image_counts(a.count(), b.count(), a.width(), few);
  const torch::Tensor covariance_a = a.covariance();
  const torch::Tensor covariance_b = b.covariance();
  const torch::Tensor root = symmetric_root(covariance_a);
  const torch::Tensor product = at::matmul(at::matmul(root, covariance_b), root);
  // eigvalsh reads one triangle; the product's triangles differ by rounding.
  const torch::Tensor values = at::linalg_eigvalsh((product + product.t()) / 2);
  const double root_trace = values.clamp_min(0).sqrt().sum().item<double>();
  const double mean_part = (a.mean() - b.mean()).square().sum().item<double>();
  const double traces = (covariance_a.trace() + covariance_b.trace()).item<double>();
  return std::max(mean_part + traces - 2 * root_trace, 0.0);
}

}  // namespace fmboost
