#include "fmboost/pipeline/back_projection.h"

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

// The a-trous low-pass of one level: the kernel's taps are `spacing` pixels apart.
torch::Tensor low_pass(const torch::Tensor& x, std::int64_t spacing) {
  const torch::Tensor taps = torch::tensor({0.25F, 0.5F, 0.25F}, x.options());
  const std::int64_t channels = x.size(1);
  const torch::Tensor vertical = taps.view({1, 1, 3, 1}).expand({channels, 1, 3, 1});
  const torch::Tensor horizontal = taps.view({1, 1, 1, 3}).expand({channels, 1, 1, 3});
  const torch::Tensor padded = at::replication_pad2d(x, {spacing, spacing, spacing, spacing});
  const std::vector<std::int64_t> none{0, 0};
  const std::vector<std::int64_t> unit{1, 1};
  const torch::Tensor rows =
      at::conv2d(padded, vertical, {}, unit, none, std::vector<std::int64_t>{spacing, 1}, channels);
  return at::conv2d(rows, horizontal, {}, unit, none, std::vector<std::int64_t>{1, spacing}, channels);
}

torch::Tensor low_frequencies(torch::Tensor x) {
  constexpr int kLevels = 5;
  for (int level = 0; level < kLevels; ++level) {
    x = low_pass(x, std::int64_t{1} << level);
  }
  return x;
}

}  // namespace

torch::Tensor back_project(torch::Tensor upscaled, const torch::Tensor& source, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const torch::Tensor downsampled = resize_bicubic(upscaled, source.size(2), source.size(3));
    upscaled = upscaled + resize_bicubic(source - downsampled, upscaled.size(2), upscaled.size(3));
  }
  return upscaled;
}

torch::Tensor fix_colors(const torch::Tensor& upscaled, const torch::Tensor& source, ColorFix fix) {
  if (fix == ColorFix::adain) {
    constexpr double kEpsilon = 1e-5;
    const auto positions = std::vector<std::int64_t>{2, 3};
    const auto statistics = [&](const torch::Tensor& x) {
      return std::pair(x.mean(positions, true), (x.var(positions, false, true) + kEpsilon).sqrt());
    };
    const auto [mean, deviation] = statistics(upscaled);
    const auto [source_mean, source_deviation] = statistics(source);
    return (upscaled - mean) / deviation * source_deviation + source_mean;
  }
  if (fix == ColorFix::wavelet) {
    const torch::Tensor reference = resize_bicubic(source, upscaled.size(2), upscaled.size(3));
    return upscaled - low_frequencies(upscaled) + low_frequencies(reference);
  }
  return upscaled;
}

}  // namespace fmboost
