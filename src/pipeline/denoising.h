#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

#include "fmboost/diffusion/sampler.h"
#include "fmboost/pipeline/generate.h"

namespace fmboost {

/// Text states of a batch of images: (B, chunks * max_length, width) each; unconditional only with guidance.
struct TextStates {
  torch::Tensor conditional;
  torch::Tensor unconditional;
};

/// The sampler of a plan.
SamplerOptions sampler_options(const GeneratePlan& plan, const DenoiserEntry& denoiser);

/// Runs the sampler of `plan` for a batch that shares everything but text and seed. Noise comes from one CPU generator
/// per image, in diffusers' order: the start, then one draw per step if the sampler adds noise. Returns scaled latents,
/// (B, C, h, w) float32.
torch::Tensor denoise(ModelComponents& components, const GeneratePlan& plan, const std::vector<std::uint64_t>& seeds,
                      const TextStates& text, torch::ScalarType dtype, const ProgressCallback& progress);

}  // namespace fmboost
