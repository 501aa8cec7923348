#include "pipeline/strip_resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmboost/core/interrupt.h"
#include "fmboost/flow/coupling.h"

#include "core/spilled_tensor.h"

namespace fmboost {
namespace {

// The cubic convolution kernel (Keys 1981). PyTorch has a = -0.75 without antialiasing and -0.5 with it.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) {
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// The weights of one row of the result: those of rows `first`, `first` + 1, ... of the image.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
};

// Rows beyond the edges are those at the edges.
Taps interpolating_taps(double center, std::int64_t height, Resampling resampling) {
  const bool bilinear = resampling == Resampling::bilinear;
  center = bilinear ? std::max(center, 0.0) : center;
  const auto below = static_cast<std::int64_t>(std::floor(center));
  const std::int64_t begin = bilinear ? below : below - 1;
  const std::int64_t end = bilinear ? below + 1 : below + 2;
  Taps taps;
  taps.first = std::clamp<std::int64_t>(begin, 0, height - 1);
  taps.weights.assign(static_cast<std::size_t>(end - begin + 1), 0.0);
  for (std::int64_t row = begin; row <= end; ++row) {
    const double distance = center - static_cast<double>(row);
    const double weight = bilinear ? 1 - std::abs(distance) : cubic(distance, -0.75);
    taps.weights[static_cast<std::size_t>(std::clamp<std::int64_t>(row, 0, height - 1) - taps.first)] += weight;
  }
  return taps;
}

// The kernel covers `scale` times its width, only rows of the image count, and their weights add up to 1.
Taps antialiased_taps(double center, double scale, std::int64_t height) {
  const double support = 2 * scale;
  const auto begin = std::max<std::int64_t>(static_cast<std::int64_t>(center + 0.5 - support + 0.5), 0);
  const auto end = std::min(static_cast<std::int64_t>(center + 0.5 + support + 0.5), height);
  Taps taps{.first = begin, .weights = {}};
  double sum = 0;
  for (std::int64_t row = begin; row < end; ++row) {
    taps.weights.push_back(cubic((static_cast<double>(row) - center) / scale, -0.5));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) {
    weight /= sum;
  }
  return taps;
}

// The row or column of an image of `length` that is seen at `position` in a row of mirror images.
std::int64_t reflected(std::int64_t position, std::int64_t length) {
  const std::int64_t period = std::max<std::int64_t>(2 * (length - 1), 1);
  const std::int64_t phase = ((position % period) + period) % period;
  return std::min(phase, period - phase) % length;
}

}  // namespace

ResizedRows::ResizedRows(torch::Tensor image, const Size& size, Resampling resampling)
    : image_(std::move(image)),
      size_(size),
      resampling_(resampling),
      reduces_(resampling == Resampling::bicubic && (size.height < image_.size(2) || size.width < image_.size(3))) {
  const std::int64_t height = image_.size(2);
  const double scale = static_cast<double>(height) / static_cast<double>(size.height);
  std::vector<Taps> all;
  std::size_t most = 0;
  for (std::int64_t row = 0; row < size.height; ++row) {
    const double center = (static_cast<double>(row) + 0.5) * scale - 0.5;
    all.push_back(reduces_ ? antialiased_taps(center, std::max(scale, 1.0), height)
                           : interpolating_taps(center, height, resampling));
    most = std::max(most, all.back().weights.size());
  }
  first_ = at::empty({size.height}, torch::kLong);
  weights_ = at::zeros({size.height, static_cast<std::int64_t>(most)}, torch::kFloat32);
  for (std::int64_t row = 0; row < size.height; ++row) {
    const Taps& taps = all[static_cast<std::size_t>(row)];
    first_.data_ptr<std::int64_t>()[row] = taps.first;
    std::transform(taps.weights.begin(), taps.weights.end(),
                   weights_.data_ptr<float>() + row * static_cast<std::int64_t>(most),
                   [](double weight) { return static_cast<float>(weight); });
  }
}

torch::Tensor ResizedRows::rows(std::int64_t top, std::int64_t bottom) const {
  const torch::Tensor first = first_.slice(0, top, bottom);
  const std::int64_t begin = first.min().item<std::int64_t>();
  const std::int64_t end = std::min(first.max().item<std::int64_t>() + weights_.size(1), image_.size(2));
  const torch::Tensor part = image_.slice(2, begin, end).to(torch::kFloat32).contiguous();
  // With the same height, PyTorch resizes along the rows only.
  torch::Tensor wide = part;
  if (resampling_ == Resampling::bilinear) {
    wide = upsample_bilinear(part, part.size(2), size_.width);
  } else if (reduces_) {
    wide = at::_upsample_bicubic2d_aa(part, {part.size(2), size_.width}, /*align_corners=*/false);
  } else {
    wide = at::upsample_bicubic2d(part, {part.size(2), size_.width}, /*align_corners=*/false);
  }
  torch::Tensor result;
  for (std::int64_t tap = 0; tap < weights_.size(1); ++tap) {
    const torch::Tensor rows = (first + (tap - begin)).clamp_max(wide.size(2) - 1);
    const torch::Tensor weight = weights_.slice(0, top, bottom).select(1, tap).view({1, 1, -1, 1});
    const torch::Tensor term = wide.index_select(2, rows).mul_(weight);
    result = result.defined() ? result.add_(term) : term;
  }
  return result;
}

std::int64_t rows_per_strip(const torch::Tensor& image) {
  constexpr std::int64_t kStripBytes = std::int64_t{4} << 20;
  const std::int64_t row = image.size(1) * image.size(3) * static_cast<std::int64_t>(sizeof(float));
  return std::max<std::int64_t>(kStripBytes / row, 1);
}

torch::Tensor padded_in_file(const ResizedRows& resized, const Margins& margins) {
  const Margins sides{.left = margins.left, .right = margins.right};
  const torch::Tensor first = pad_reflect(resized.rows(0, 1), sides);
  const std::int64_t height = resized.height();
  torch::Tensor result =
      spilled_tensor({1, first.size(1), margins.top + height + margins.bottom, first.size(3)}, torch::kFloat32);
  const std::int64_t count = rows_per_strip(result);
  for (std::int64_t top = 0; top < height; top += count) {
    check_interrupt();
    const std::int64_t bottom = std::min(top + count, height);
    result.slice(2, margins.top + top, margins.top + bottom).copy_(pad_reflect(resized.rows(top, bottom), sides));
    release_spilled_pages();
  }
  for (std::int64_t row = 0; row < result.size(2); ++row) {
    if (row < margins.top || row >= margins.top + height) {
      result.select(2, row).copy_(result.select(2, margins.top + reflected(row - margins.top, height)));
    }
  }
  release_spilled_pages();
  return result;
}

void back_project_in_strips(torch::Tensor& upscaled, const torch::Tensor& source, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    torch::Tensor difference = at::empty_like(source, at::MemoryFormat::Contiguous);
    const ResizedRows downsampled(upscaled, {source.size(3), source.size(2)}, Resampling::bicubic);
    // A row of the source needs several of the result.
    const std::int64_t few = std::max<std::int64_t>(rows_per_strip(upscaled) * source.size(2) / upscaled.size(2), 1);
    for (std::int64_t top = 0; top < source.size(2); top += few) {
      check_interrupt();
      const std::int64_t bottom = std::min(top + few, source.size(2));
      difference.slice(2, top, bottom).copy_(source.slice(2, top, bottom) - downsampled.rows(top, bottom));
      release_spilled_pages();
    }
    const ResizedRows correction(difference, {upscaled.size(3), upscaled.size(2)}, Resampling::bicubic);
    const std::int64_t count = rows_per_strip(upscaled);
    for (std::int64_t top = 0; top < upscaled.size(2); top += count) {
      check_interrupt();
      const std::int64_t bottom = std::min(top + count, upscaled.size(2));
      upscaled.slice(2, top, bottom).add_(correction.rows(top, bottom));
      release_spilled_pages();
    }
  }
}

}  // namespace fmboost
