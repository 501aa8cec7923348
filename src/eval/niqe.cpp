#include "fmboost/eval/niqe.h"

#include <array>
#include <cmath>
#include <vector>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "io/shared_data.h"

namespace fmboost {
namespace {

constexpr std::int64_t kFeatures = 36;
constexpr std::int64_t kRadius = 3;  // the window has 7x7 pixels
constexpr double kSigma = 7.0 / 6.0;
constexpr double kStabilizer = 1.0;  // of the local deviation, for samples up to 255

torch::Tensor window() {
  const torch::Tensor offset = torch::arange(-kRadius, kRadius + 1, torch::kFloat64);
  const torch::Tensor weights = (offset.square() / (-2 * kSigma * kSigma)).exp();
  return weights / weights.sum();
}

// Gaussian means over the neighborhood, with repeated edges; x: (1, H, W).
torch::Tensor local_mean(const torch::Tensor& x) {
  const torch::Tensor weights = window();
  const torch::Tensor padded = at::replication_pad2d(x, {kRadius, kRadius, kRadius, kRadius}).unsqueeze(0);
  return at::conv2d(at::conv2d(padded, weights.view({1, 1, -1, 1})), weights.view({1, 1, 1, -1})).squeeze(0);
}

// The samples less their local mean, over their local deviation.
torch::Tensor normalized(const torch::Tensor& samples) {
  const torch::Tensor mean = local_mean(samples);
  const torch::Tensor deviation = (local_mean(samples.square()) - mean.square()).abs().sqrt();
  return (samples - mean) / (deviation + kStabilizer);
}

// (1, H, W) -> (blocks, side, side), row by row.
torch::Tensor blocks_of(const torch::Tensor& x, std::int64_t side) {
  const std::int64_t rows = x.size(1) / side;
  const std::int64_t columns = x.size(2) / side;
  return x.reshape({rows, side, columns, side}).permute({0, 2, 1, 3}).reshape({rows * columns, side, side});
}

torch::Tensor gamma_of(const torch::Tensor& x) {
  return at::lgamma(x).exp();
}

/// Shapes of the generalized Gaussian, and the ratio E[|x|]^2 / E[x^2] of each, which grows with the shape.
struct ShapeTable {
  torch::Tensor shapes = torch::arange(200, 10001, torch::kFloat64) / 1000;
  torch::Tensor ratios = (2 * at::lgamma(2 / shapes) - at::lgamma(1 / shapes) - at::lgamma(3 / shapes)).exp();

  // The shape with the nearest ratio.
  torch::Tensor find(const torch::Tensor& wanted) const {
    const torch::Tensor above = at::searchsorted(ratios, wanted.contiguous()).clamp(1, ratios.size(0) - 1);
    const torch::Tensor below = above - 1;
    const torch::Tensor is_above = ratios.index({above}) - wanted < wanted - ratios.index({below});
    return shapes.index({at::where(is_above, above, below)});
  }
};

/// An asymmetric generalized Gaussian fitted by its moments (Lasmar, Stitou and Berthoumieu 2009).
struct AsymmetricFit {
  torch::Tensor shape, left, right;

  torch::Tensor mean() const { return (right - left) * gamma_of(2 / shape) / gamma_of(1 / shape); }
};

// x: (blocks, side, side); every member has one number per block.
AsymmetricFit fit(const torch::Tensor& blocks) {
  static const ShapeTable table;
  const torch::Tensor x = blocks.flatten(1);
  const auto deviation = [&](const torch::Tensor& chosen) {
    return ((x.square() * chosen).sum(1) / chosen.sum(1)).sqrt();
  };
  const torch::Tensor left = deviation(x < 0);
  const torch::Tensor right = deviation(x > 0);
  const torch::Tensor g = left / right;
  const torch::Tensor ratio = x.abs().mean(1).square() / x.square().mean(1);
  const torch::Tensor balanced = ratio * (g.pow(3) + 1) * (g + 1) / (g.square() + 1).square();
  const torch::Tensor shape = at::where(balanced.isnan(), balanced, table.find(balanced.nan_to_num(0)));
  const torch::Tensor scale = (gamma_of(1 / shape) / gamma_of(3 / shape)).sqrt();
  return {.shape = shape, .left = left * scale, .right = right * scale};
}

// 18 numbers per block: the normalized samples, and their products with four neighbors.
torch::Tensor features_of_scale(const torch::Tensor& samples, std::int64_t side) {
  const torch::Tensor blocks = blocks_of(normalized(samples), side);
  const AsymmetricFit own = fit(blocks);
  std::vector<torch::Tensor> features{own.shape, (own.left + own.right) / 2};
  constexpr std::array<std::array<std::int64_t, 2>, 4> kNeighbors{{{0, 1}, {1, 0}, {1, 1}, {1, -1}}};
  for (const auto& [down, across] : kNeighbors) {
    const AsymmetricFit pair = fit(blocks * blocks.roll({down, across}, {1, 2}));
    features.insert(features.end(), {pair.shape, pair.mean(), pair.left, pair.right});
  }
  return at::stack(features, 1);
}

torch::Tensor half_size(const torch::Tensor& samples) {
  return at::_upsample_bicubic2d_aa(samples.unsqueeze(0), {samples.size(1) / 2, samples.size(2) / 2},
                                    /*align_corners=*/false)
      .squeeze(0);
}

}  // namespace

torch::Tensor niqe_features(const torch::Tensor& samples) {
  const std::int64_t height = samples.size(1) / kNiqeBlock * kNiqeBlock;
  const std::int64_t width = samples.size(2) / kNiqeBlock * kNiqeBlock;
  if (height == 0 || width == 0) {
    throw Error("NIQE needs at least " + std::to_string(kNiqeBlock) + "x" + std::to_string(kNiqeBlock) +
                " pixels, got " + std::to_string(samples.size(2)) + "x" + std::to_string(samples.size(1)));
  }
  const torch::Tensor x = samples.to(torch::kFloat64).slice(1, 0, height).slice(2, 0, width);
  return at::cat({features_of_scale(x, kNiqeBlock), features_of_scale(half_size(x), kNiqeBlock / 2)}, 1);
}

double niqe(const torch::Tensor& samples, const NiqeModel& model) {
  const torch::Tensor all = niqe_features(samples);
  const torch::Tensor mean = all.nanmean(0);
  const torch::Tensor complete = all.index({all.isfinite().all(1)});
  const torch::Tensor covariance =
      complete.size(0) > 1 ? at::cov(complete.t()) : torch::zeros({kFeatures, kFeatures}, torch::kFloat64);
  const torch::Tensor difference = (mean - model.mean).unsqueeze(1);
  const torch::Tensor inverse = at::linalg_pinv((covariance + model.covariance) / 2);
  return std::sqrt(difference.t().matmul(inverse).matmul(difference).item<double>());
}

NiqeModel load_niqe_model(const std::filesystem::path& file) {
  const SafetensorsFile tensors(file);
  NiqeModel model{tensors.tensor("mean").to(torch::kFloat64), tensors.tensor("covariance").to(torch::kFloat64)};
  if (model.mean.sizes() != at::IntArrayRef{kFeatures} ||
      model.covariance.sizes() != at::IntArrayRef{kFeatures, kFeatures}) {
    throw Error("'" + file.string() + "' is not a NIQE model: it needs `mean` (36) and `covariance` (36, 36)");
  }
  return model;
}

NiqeModel default_niqe_model() {
  constexpr const char* kFile = "data/niqe/photographs.safetensors";
  const auto file = find_shared_data(kFile);
  return file ? load_niqe_model(*file)
              : throw Error(std::string("'") + kFile + "' is not among the files of this installation");
}

}  // namespace fmboost
