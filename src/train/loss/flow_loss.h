#pragma once

#include <cstdint>
#include <span>
#include <torch/types.h>

#include "fmboost/train/options.h"

#include "data/pair_dataset.h"

namespace fmboost {

/// Offset of the grid of patches in a latent, in latent pixels.
struct PatchOffset {
  int y = 0, x = 0;
};

/// All random inputs of the loss of a batch. Noise tensors are standard normal, of the latents' shape, and undefined if
/// the options do not need them.
struct FlowNoise {
  torch::Tensor t;           ///< (B), U(0, 1), float32
  torch::Tensor start;       ///< for x0
  torch::Tensor path;        ///< for sigma_min
  torch::Tensor upsampling;  ///< for noise upsampling
  torch::Tensor alpha_bar;   ///< (B), noising_alpha_bar() at each sample's step, float32; only if steps are drawn
  std::uint64_t dropout_seed = 0;
  // For Objective::energy only:
  torch::Tensor other_start;  ///< for a second x0
  torch::Tensor
      diversity_weight;   ///< (B), 0 to 1: each sample's noising step relative to the largest; stays on the CPU
  int rollout_steps = 1;  ///< of the whole batch
  PatchOffset patches;    ///< of the whole batch
};

/// Draws for the samples with these numbers in the run. A sample's values depend only on the seed and its number, so
/// they are the same in any batch, process or resumed run. float32 on the CPU.
FlowNoise draw_flow_noise(const FlowLossOptions& options, at::IntArrayRef latent_shape, std::uint64_t seed,
                          std::span<const std::int64_t> sample_numbers);

/// Inputs and target of the network for flow matching.
struct FlowBatch {
  torch::Tensor x;         ///< x_t, (B, C, H, W)
  torch::Tensor t;         ///< (B)
  torch::Tensor context;   ///< (B, C, H, W), or undefined
  torch::Tensor velocity;  ///< u_t, (B, C, H, W)
};

/// Batch and noise must be on one device. Throws Error if context and latent do not fit the upsampling.
FlowBatch make_flow_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& noise);

/// Mean of (v - u)^2 over all elements, computed in float32; a scalar on the device.
torch::Tensor flow_matching_loss(const torch::Tensor& predicted, const torch::Tensor& velocity);

}  // namespace fmboost
