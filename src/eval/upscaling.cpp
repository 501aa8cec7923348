#include "fmboost/eval/upscaling.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

constexpr double kLobes = 3.0;

torch::Tensor lanczos_kernel(const torch::Tensor& distance) {
  const torch::Tensor inside = distance.abs() < kLobes;
  return at::sinc(distance) * at::sinc(distance / kLobes) * inside;
}

// Every output pixel is a weighted sum of a few input pixels around it.
torch::Tensor lanczos_along(const torch::Tensor& x, std::int64_t axis, std::int64_t length) {
  constexpr std::int64_t kTaps = 2 * static_cast<std::int64_t>(kLobes);
  const std::int64_t positions = x.size(axis);
  const double step = static_cast<double>(positions) / static_cast<double>(length);
  const torch::Tensor center = (torch::arange(length, torch::kFloat64) + 0.5) * step - 0.5;
  const torch::Tensor first = center.floor().to(torch::kInt64) - (kTaps / 2 - 1);
  const torch::Tensor position = first.unsqueeze(1) + torch::arange(kTaps);  // (length, taps)
  const torch::Tensor exists = (position >= 0) & (position < positions);
  torch::Tensor weight = lanczos_kernel(position - center.unsqueeze(1)) * exists;
  weight = (weight / weight.sum(1, true)).to(x.scalar_type());
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[static_cast<std::size_t>(axis)] = length;
  const torch::Tensor index = position.clamp(0, positions - 1);
  torch::Tensor sum;
  for (std::int64_t tap = 0; tap < kTaps; ++tap) {
    const torch::Tensor part = x.index_select(axis, index.select(1, tap)) * weight.select(1, tap).view(shape);
    sum = tap == 0 ? part : sum.add_(part);
  }
  return sum;
}

Quality measure(const torch::Tensor& image, const torch::Tensor& original, const MeasureOptions& options) {
  Quality quality = measure_quality(image, original, options.border);
  const std::int64_t border = options.border;
  const std::int64_t height = image.size(1) - 2 * border;
  const std::int64_t width = image.size(2) - 2 * border;
  if (options.niqe && std::min(height, width) >= kNiqeBlock) {
    const torch::Tensor inner = image.narrow(1, border, height).narrow(2, border, width);
    quality.niqe = niqe(luma((inner.to(torch::kFloat64) + 1) * 127.5), *options.niqe);
  }
  return quality;
}

}  // namespace

torch::Tensor round_to_8_bits(const torch::Tensor& pixels) {
  return ((pixels.clamp(-1.0, 1.0) + 1.0) * 127.5).round() / 127.5 - 1.0;
}

torch::Tensor upsample_bicubic(const torch::Tensor& low, std::int64_t height, std::int64_t width) {
  return at::_upsample_bicubic2d_aa(low, {height, width}, /*align_corners=*/false);
}

torch::Tensor upsample_lanczos(const torch::Tensor& low, std::int64_t height, std::int64_t width) {
  return lanczos_along(lanczos_along(low, 3, width), 2, height);
}

UpscalingTask make_upscaling_task(const torch::Tensor& pixels, std::int64_t scale) {
  const std::int64_t height = pixels.size(1) / scale;
  const std::int64_t width = pixels.size(2) / scale;
  if (height == 0 || width == 0) {
    throw Error("an image of " + std::to_string(pixels.size(2)) + "x" + std::to_string(pixels.size(1)) +
                " is too small to be downsampled by " + std::to_string(scale));
  }
  const torch::Tensor original =
      round_to_8_bits(pixels.slice(1, 0, height * scale).slice(2, 0, width * scale)).contiguous();
  return {.original = original, .low = round_to_8_bits(resize_bicubic(original.unsqueeze(0), height, width))};
}

Quality measure_upscaler(const UpscalingTask& task, const Upscaler& upscaler, const MeasureOptions& options) {
  const torch::Tensor upscaled = upscaler.upscale(task.low, task.original.size(1), task.original.size(2));
  if (upscaled.dim() != 4 || upscaled.size(0) != 1) {
    throw Error(c10::str("'", upscaler.name, "' must return one image, but returned a tensor of ", upscaled.sizes()));
  }
  return measure(round_to_8_bits(upscaled.squeeze(0)), task.original, options);
}

Quality measure_original(const UpscalingTask& task, const MeasureOptions& options) {
  return measure(task.original, task.original, options);
}

}  // namespace fmboost
