#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

#include "fmboost/pipeline/generate.h"

namespace fmboost {

/// Text states of a batch of requests: (B, chunks * max_length, width) each; unconditional only with guidance.
struct TextStates {
  torch::Tensor conditional;
  torch::Tensor unconditional;
};

/// Runs the sampler of `plan` for a batch that shares everything but text and seed. Noise comes from one CPU generator
/// an image, in the order diffusers draws it: the start, then a draw a step where the sampler draws. Returns scaled
/// latents, (B, C, h, w) float32.
torch::Tensor denoise(ModelComponents& components, const GeneratePlan& plan, const std::vector<std::uint64_t>& seeds,
                      const TextStates& text, torch::ScalarType dtype, const ProgressCallback& progress);

}  // namespace fmboost
