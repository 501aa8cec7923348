#include "fmboost/flow/coupling.h"

#include <cmath>
#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

torch::Tensor compute_noising_alpha_bar() {
  constexpr int kSteps = 1000;
  const torch::Tensor u = torch::linspace(0, 1, kSteps, torch::kFloat64);
  // logsnr = -2 ln(tan(pi u / 2) + 1e-5) + 2 ln(64 / size) with size 64, whose second term vanishes.
  const torch::Tensor logsnr = -2 * torch::log(torch::tan(u * (std::numbers::pi / 2)) + 1e-5);
  return torch::sigmoid(logsnr).to(torch::kFloat32);
}

// Keeps the known latent pixels and fills the rest with noise.
torch::Tensor upsample_with_noise(const torch::Tensor& latent, const torch::Tensor& noise) {
  const std::int64_t vertical = noise.size(2) / latent.size(2);
  const std::int64_t horizontal = noise.size(3) / latent.size(3);
  torch::Tensor result = noise.to(latent.device(), latent.scalar_type()).clone();
  using torch::indexing::None;
  using torch::indexing::Slice;
  result.index_put_({Slice(), Slice(), Slice(None, None, vertical), Slice(None, None, horizontal)}, latent);
  return result;
}

}  // namespace

torch::Tensor upsample_bilinear(const torch::Tensor& x, std::int64_t height, std::int64_t width) {
  return at::upsample_bilinear2d(x.to(torch::kFloat32), {height, width}, /*align_corners=*/false);
}

torch::Tensor upsample_latent(const torch::Tensor& latent, Upsampling upsampling, std::int64_t height,
                              std::int64_t width, const torch::Tensor& noise) {
  const bool multiple = height % latent.size(2) == 0 && width % latent.size(3) == 0;
  switch (upsampling) {
    case Upsampling::latent:
      return upsample_bilinear(latent, height, width);
    case Upsampling::latent_nearest:
      return at::upsample_nearest2d(latent, {height, width});
    case Upsampling::noise_upsampling:
      if (!multiple || !noise.defined() ||
          noise.sizes() != at::IntArrayRef({latent.size(0), latent.size(1), height, width})) {
        throw UsageError("noise upsampling needs an integer factor and noise of the size of the result");
      }
      return upsample_with_noise(latent, noise);
    case Upsampling::identity:
      if (height != latent.size(2) || width != latent.size(3)) {
        throw UsageError("identity upsampling does not change the size");
      }
      return latent;
    case Upsampling::pixel:
      break;
  }
  throw UsageError("pixel-space upsampling works on pixels, not on latents");
}

const torch::Tensor& noising_alpha_bar() {
  static const torch::Tensor alpha_bar = compute_noising_alpha_bar();
  return alpha_bar;
}

StartWeights start_weights(int noising_step) {
  if (noising_step <= 0) {
    return {};
  }
  if (noising_step >= noising_alpha_bar().size(0)) {
    throw UsageError("the noising step must be at most 999, got " + std::to_string(noising_step));
  }
  const double alpha_bar = noising_alpha_bar()[noising_step].item<float>();
  return {std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar)};
}

torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, int noising_step) {
  if (noising_step <= 0) {
    return context;
  }
  const StartWeights weights = start_weights(noising_step);
  return weights.context * context + weights.noise * noise;
}

torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, const torch::Tensor& alpha_bar) {
  // The factors are computed in float64, so that every sample equals the result of the other function.
  const torch::Tensor a = alpha_bar.to(torch::kFloat64).reshape({-1, 1, 1, 1});
  return a.sqrt().to(context.scalar_type()) * context + (1 - a).sqrt().to(context.scalar_type()) * noise;
}

}  // namespace fmboost
