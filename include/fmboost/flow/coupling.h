#pragma once

#include <string>
#include <torch/types.h>

namespace fmboost {

/// How a low-resolution latent becomes the context of the flow.
enum class Upsampling {
  pixel,               ///< decode, upscale the pixels, encode
  latent,               ///< upscale the latent, bilinear
  latent_nearest,       ///< upscale the latent, nearest
  noise_upsampling,  ///< the latent at every scale-th latent pixel, Gaussian noise elsewhere
  identity           ///< as it is
};

/// "pixel", "latent", "latent-nearest", "noise-upsampling" or "identity" (underscores do as well). Throws UsageError otherwise.
Upsampling parse_upsampling(const std::string& name);
std::string upsampling_name(Upsampling upsampling);

/// Bilinear with half-pixel centers and no antialias: the upscaled image of PSU (pixels) and LSU (latents).
/// x: (B, C, H, W), any range; computed in float32.
torch::Tensor upsample_bilinear(const torch::Tensor& x, std::int64_t height, std::int64_t width);

/// Every upsampling that works on the latent alone, i.e. all but pixel: (B, C, H, W) -> (B, C, height, width).
/// `noise` is used by noise_upsampling only and has the result's shape. Throws UsageError for pixel, and for sizes that
/// are no multiple where the method needs one.
torch::Tensor upsample_latent(const torch::Tensor& latent, Upsampling upsampling, std::int64_t height,
                              std::int64_t width, const torch::Tensor& noise = {});

/// alpha_bar of the cosine-like schedule that noises the context, 1000 values, float32. The formula: u =
/// linspace(0, 1, 1000); logsnr = -2 ln(tan(pi u / 2) + 1e-5) + 2 ln(64 / 64); a = sigmoid(logsnr).
const torch::Tensor& noising_alpha_bar();

/// x0 = sqrt(a_s) context + sqrt(1 - a_s) noise at noising step s of 1000; s <= 0 gives the context itself.
/// Throws UsageError for s > 999.
torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, int noising_step);
/// The same with an alpha_bar of its own for every sample, (B) on the context's device; 1 gives the context itself.
torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, const torch::Tensor& alpha_bar);

}  // namespace fmboost
