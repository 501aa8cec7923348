#include "fmboost/image/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr double kPeak = 255.0;
constexpr std::int64_t kWindow = 11;
constexpr std::int64_t kSquare = 16;
constexpr double kFlatShare = 0.02;

std::array<double, kWindow> gaussian_window() {
  constexpr double kSigma = 1.5;
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (std::int64_t i = 0; i < kWindow; ++i) {
    const double distance = static_cast<double>(i - kWindow / 2);
    sum += weights[static_cast<std::size_t>(i)] = std::exp(-distance * distance / (2 * kSigma * kSigma));
  }
  for (double& weight : weights) {
    weight /= sum;
  }
  return weights;
}

// Weighted sums along one axis, without padding: shifted copies need no im2col, which would take eleven times the
// memory.
torch::Tensor slide(const torch::Tensor& x, std::int64_t axis) {
  static const auto weights = gaussian_window();
  const std::int64_t length = x.size(axis) - kWindow + 1;
  torch::Tensor sum = x.narrow(axis, 0, length) * weights[0];
  for (std::int64_t i = 1; i < kWindow; ++i) {
    sum.add_(x.narrow(axis, i, length), weights[static_cast<std::size_t>(i)]);
  }
  return sum;
}

torch::Tensor blur(const torch::Tensor& x) {
  return slide(slide(x, 1), 0);
}

// The sum over all windows of one channel (H, W).
double ssim_sum(const torch::Tensor& a, const torch::Tensor& b) {
  constexpr double kC1 = (0.01 * kPeak) * (0.01 * kPeak);
  constexpr double kC2 = (0.03 * kPeak) * (0.03 * kPeak);
  const torch::Tensor mean_a = blur(a);
  const torch::Tensor mean_b = blur(b);
  const torch::Tensor both = mean_a * mean_b;
  const torch::Tensor squares = mean_a.square() + mean_b.square();
  const torch::Tensor covariance = blur(a * b) - both;
  const torch::Tensor variances = blur(a.square() + b.square()) - squares;
  const torch::Tensor map = (2 * both + kC1) * (2 * covariance + kC2) / ((squares + kC1) * (variances + kC2));
  return map.sum().item<double>();
}

torch::Tensor to_samples(const torch::Tensor& image, std::int64_t border) {
  const torch::Tensor inner = image.slice(1, border, image.size(1) - border).slice(2, border, image.size(2) - border);
  return (inner.to(torch::kCPU, torch::kFloat64) + 1.0) * (kPeak / 2);
}

double mean_squared_error(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).square().mean().item<double>();
}

std::string size_text(const torch::Tensor& image) {
  return std::to_string(image.size(2)) + "x" + std::to_string(image.size(1));
}

void check_comparable(const torch::Tensor& image, const torch::Tensor& reference, std::int64_t border) {
  if (image.sizes() != reference.sizes()) {
    throw Error("the images have different sizes, " + size_text(image) + " and " + size_text(reference) +
                ": only images of the same size can be compared");
  }
  const std::int64_t side = kWindow + 2 * border;
  if (image.size(1) < side || image.size(2) < side) {
    throw Error("an image of " + size_text(image) + " is too small to compare: with a border of " +
                std::to_string(border) + " SSIM needs at least " + std::to_string(side) + "x" + std::to_string(side));
  }
}

torch::Tensor square_at(const torch::Tensor& samples, std::int64_t row, std::int64_t column) {
  return samples.slice(1, row, row + kSquare).slice(2, column, column + kSquare);
}

double difference_in(const torch::Tensor& samples, const torch::Tensor& squares) {
  double sum = 0;
  for (std::int64_t i = 0; i < squares.size(0); ++i) {
    sum +=
        neighbor_difference(square_at(samples, squares[i][0].item<std::int64_t>(), squares[i][1].item<std::int64_t>()));
  }
  return sum / static_cast<double>(squares.size(0));
}

double ratio(double value, double reference) {
  return reference > 0 ? value / reference : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

torch::Tensor luma(const torch::Tensor& rgb) {
  return (16.0 + (65.481 * rgb[0] + 128.553 * rgb[1] + 24.966 * rgb[2]) / kPeak).unsqueeze(0);
}

double psnr(double mse) {
  return mse > 0 ? 10.0 * std::log10(kPeak * kPeak / mse) : std::numeric_limits<double>::infinity();
}

double ssim(const torch::Tensor& a, const torch::Tensor& b) {
  constexpr std::int64_t kRows = 64;  // rows of windows per block, so that the data fit in the cache
  const std::int64_t rows = a.size(1) - kWindow + 1;
  const std::int64_t columns = a.size(2) - kWindow + 1;
  double sum = 0;
  for (std::int64_t channel = 0; channel < a.size(0); ++channel) {
    for (std::int64_t row = 0; row < rows; row += kRows) {
      const std::int64_t height = std::min(kRows, rows - row) + kWindow - 1;
      const auto band = [&](const torch::Tensor& x) { return x[channel].narrow(0, row, height).to(torch::kFloat64); };
      sum += ssim_sum(band(a), band(b));
    }
  }
  return sum / static_cast<double>(a.size(0) * rows * columns);
}

double neighbor_difference(const torch::Tensor& samples) {
  const torch::Tensor rows = samples.slice(1, 1) - samples.slice(1, 0, -1);
  const torch::Tensor columns = samples.slice(2, 1) - samples.slice(2, 0, -1);
  return (rows.abs().sum() + columns.abs().sum()).item<double>() / static_cast<double>(rows.numel() + columns.numel());
}

torch::Tensor flat_squares(const torch::Tensor& samples) {
  const std::int64_t rows = samples.size(1) / kSquare;
  const std::int64_t columns = samples.size(2) / kSquare;
  std::vector<std::pair<double, std::int64_t>> differences;
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    differences.emplace_back(neighbor_difference(square_at(samples, i / columns * kSquare, i % columns * kSquare)), i);
  }
  const auto count = std::min<std::size_t>(
      differences.size(),
      std::max<std::size_t>(1,
                            static_cast<std::size_t>(std::llround(kFlatShare * static_cast<double>(rows * columns)))));
  std::sort(differences.begin(), differences.end());
  torch::Tensor corners = torch::empty({static_cast<std::int64_t>(count), 2}, torch::kInt64);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    corners[row][0] = differences[i].second / columns * kSquare;
    corners[row][1] = differences[i].second % columns * kSquare;
  }
  return corners;
}

Quality measure_quality(const torch::Tensor& image, const torch::Tensor& reference, std::int64_t border) {
  check_comparable(image, reference, border);
  const torch::Tensor a = to_samples(image, border);
  const torch::Tensor b = to_samples(reference, border);
  const torch::Tensor luma_a = luma(a);
  const torch::Tensor luma_b = luma(b);
  Quality quality;
  quality.mse = mean_squared_error(a, b);
  quality.psnr_rgb = psnr(quality.mse);
  quality.psnr_y = psnr(mean_squared_error(luma_a, luma_b));
  quality.ssim_rgb = ssim(a, b);
  quality.ssim_y = ssim(luma_a, luma_b);
  quality.color_shift = (a - b).mean(std::vector<std::int64_t>{1, 2}).abs().max().item<double>();
  quality.sharpness = ratio(neighbor_difference(luma_a), neighbor_difference(luma_b));
  const torch::Tensor squares = flat_squares(luma_b);
  quality.grain = squares.numel() == 0 ? std::numeric_limits<double>::quiet_NaN()
                                       : difference_in(luma_a, squares) - difference_in(luma_b, squares);
  return quality;
}

}  // namespace fmboost
