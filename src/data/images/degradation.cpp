#include "data/images/degradation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

constexpr double kBlurShare = 0.5;
constexpr double kNoiseShare = 0.5;
constexpr double kGrayNoiseShare = 0.4;  // raw converters and denoisers leave noise in the luma more than in the colors
constexpr double kJpegShare = 0.75;
constexpr double kSubsampledShare = 0.5;
constexpr std::array kKernels{Downsampling::area, Downsampling::bilinear, Downsampling::bicubic};

/// Uniform numbers of one square, drawn in a fixed order.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : generator_(cpu_generator(seed)) {}

  double uniform(double low, double high) {
    return low + (high - low) * at::rand({1}, generator_, torch::kFloat64).item<double>();
  }
  bool happens(double share) { return uniform(0, 1) < share; }
  torch::Tensor noise(at::IntArrayRef shape) { return gaussian_noise(shape, generator_); }

 private:
  at::Generator generator_;
};

// Separable, with reflected edges; x: (3, H, W).
torch::Tensor gaussian_blur(const torch::Tensor& x, double sigma) {
  const std::int64_t radius =
      std::min(static_cast<std::int64_t>(std::ceil(3 * sigma)), std::min(x.size(1), x.size(2)) - 1);
  if (radius < 1) {
    return x;
  }
  const torch::Tensor offset = torch::arange(-radius, radius + 1, torch::kFloat32);
  torch::Tensor kernel = (offset.square() / (-2 * sigma * sigma)).exp();
  kernel = kernel / kernel.sum();
  const torch::Tensor rows = kernel.view({1, 1, -1, 1});
  const torch::Tensor columns = kernel.view({1, 1, 1, -1});
  const torch::Tensor padded = at::reflection_pad2d(x.unsqueeze(1), {radius, radius, radius, radius});
  return at::conv2d(at::conv2d(padded, rows), columns).squeeze(1);
}

// The variance of a sensor's shot noise is proportional to the light; `sigma` (of 255) is reached at medium gray.
torch::Tensor with_sensor_noise(const torch::Tensor& x, double sigma, bool gray, Dice& dice) {
  const torch::Tensor light = (x + 1) / 2;
  const torch::Tensor noise = dice.noise({gray ? 1 : 3, x.size(1), x.size(2)});
  return (x + noise * (light + 0.5).sqrt() * (sigma / 127.5)).clamp(-1, 1);
}

torch::Tensor through_jpeg(const torch::Tensor& x, int quality, bool subsample_chroma) {
  Image image;
  image.pixels = x;
  EncodeOptions options;
  options.format = ImageFormat::jpeg;
  options.quality = quality;
  options.subsample_chroma = subsample_chroma;
  return decode_image(encode_image(image, options), "a degraded square").pixels;
}

torch::Tensor degrade(const torch::Tensor& square, std::int64_t side, const DegradationOptions& options, Dice& dice) {
  // Every number is drawn even if it is not used, so that one option does not change the effect of another.
  const bool blurred = dice.happens(kBlurShare);
  const double blur = dice.uniform(0, options.max_blur);
  const auto kernel = kKernels[static_cast<std::size_t>(dice.uniform(0, kKernels.size()))];
  const bool noisy = dice.happens(kNoiseShare);
  const double noise = dice.uniform(0, options.max_noise);
  const bool gray = dice.happens(kGrayNoiseShare);
  const bool compressed = dice.happens(kJpegShare);
  const int quality = static_cast<int>(std::lround(dice.uniform(options.min_quality, options.max_quality)));
  const bool subsampled = dice.happens(kSubsampledShare);

  const double factor = static_cast<double>(square.size(1)) / static_cast<double>(side);
  torch::Tensor x = downsample_square(blurred ? gaussian_blur(square, blur * factor) : square, side, kernel);
  x = noisy ? with_sensor_noise(x, noise, gray, dice) : x;
  return compressed ? through_jpeg(x, quality, subsampled) : x;
}

}  // namespace

torch::Tensor downsample_square(const torch::Tensor& square, std::int64_t side, Downsampling downsampling) {
  const torch::Tensor x = square.unsqueeze(0);
  switch (downsampling) {
    case Downsampling::area: {
      const std::int64_t factor = square.size(1) / side;
      return at::avg_pool2d(x, {factor, factor})[0];
    }
    case Downsampling::bilinear:
      return at::_upsample_bilinear2d_aa(x, {side, side}, /*align_corners=*/false)[0];
    case Downsampling::bicubic:
      return resize_bicubic(x, side, side)[0].clamp(-1, 1);
  }
  throw UsageError("unknown downsampling");
}

torch::Tensor degraded_square(const torch::Tensor& square, std::int64_t side, Downsampling downsampling,
                              const DegradationOptions& options, std::uint64_t seed) {
  Dice dice(derive_seed(seed, "degradation"));
  return dice.happens(options.share) ? degrade(square, side, options, dice)
                                     : downsample_square(square, side, downsampling);
}

}  // namespace fmboost
