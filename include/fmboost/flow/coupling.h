#pragma once

#include <torch/types.h>

#include "fmboost/core/enum_names.h"

namespace fmboost {

/// How the low-resolution image becomes the context of the flow.
enum class Upsampling {
  pixel,             ///< decode, upscale the pixels, encode (PSU in the paper)
  latent,            ///< upscale the latent bilinearly (LSU in the paper)
  latent_nearest,    ///< upscale the latent by nearest neighbor
  noise_upsampling,  ///< the latent at every scale-th latent pixel, Gaussian noise elsewhere
  identity           ///< the latent, unchanged
};

template <>
inline constexpr auto kEnumNames<Upsampling> =
    enum_table<Upsampling>("upsampling", {{Upsampling::pixel, "pixel"},
                                          {Upsampling::latent, "latent"},
                                          {Upsampling::latent_nearest, "latent-nearest"},
                                          {Upsampling::noise_upsampling, "noise-upsampling"},
                                          {Upsampling::identity, "identity"}});

/// Bilinear with half-pixel centers and without antialiasing, for the pixels of PSU and the latents of LSU.
/// x: (B, C, H, W), any range; computed in float32.
torch::Tensor upsample_bilinear(const torch::Tensor& x, std::int64_t height, std::int64_t width);

/// Every upsampling of the latent alone, that is, all but pixel: (B, C, H, W) -> (B, C, height, width). `noise` is used
/// by noise_upsampling only and has the shape of the result. Throws UsageError for pixel, and if the method needs a
/// whole factor and the size is not a multiple.
torch::Tensor upsample_latent(const torch::Tensor& latent, Upsampling upsampling, std::int64_t height,
                              std::int64_t width, const torch::Tensor& noise = {});

/// alpha_bar of the cosine-like schedule that noises the context, 1000 values, float32. Formula: u =
/// linspace(0, 1, 1000); logsnr = -2 ln(tan(pi u / 2) + 1e-5) + 2 ln(64 / 64); a = sigmoid(logsnr).
const torch::Tensor& noising_alpha_bar();

/// Weights of the start of a flow: x0 = context weight * context + noise weight * noise.
struct StartWeights {
  double context = 1;
  double noise = 0;
};

/// sqrt(a_s) and sqrt(1 - a_s) at noising step s of 1000, with a = noising_alpha_bar(); 1 and 0 for s <= 0. Throws
/// UsageError for s > 999.
StartWeights start_weights(int noising_step);

/// x0 = sqrt(a_s) context + sqrt(1 - a_s) noise at noising step s of 1000; s <= 0 gives the context itself.
/// Throws UsageError for s > 999.
torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, int noising_step);
/// The same with one alpha_bar per sample, (B) on the device of the context; 1 gives the context itself.
torch::Tensor noised_start(const torch::Tensor& context, const torch::Tensor& noise, const torch::Tensor& alpha_bar);

}  // namespace fmboost
