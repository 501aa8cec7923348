#pragma once

#include <functional>
#include <torch/types.h>

#include "train/flow_loss.h"

namespace fmboost {

/// Batch and draw of Objective::energy as walks from x0 to the end of the flow. Pairs whose start is noisy walk twice,
/// from two noises.
struct RolloutBatch {
  torch::Tensor x = {};        ///< (B + N, C, H, W): x0 of every pair, then of the N noisy ones from the other noise
  torch::Tensor context = {};  ///< the same of the context, or undefined
  torch::Tensor latent = {};   ///< (B, C, H, W), where the walks should end
  torch::Tensor noisy = {};    ///< (N) int64, the pairs that walk twice
  torch::Tensor clean = {};    ///< (B - N) int64, the others
  torch::Tensor diversity_weight = {};   ///< (N), of the noisy ones
  NoiselessLoss noiseless_loss = NoiselessLoss::mse;
  int steps = 1;            ///< Euler steps of all walks
  PatchPlace patches = {};  ///< of energy_loss
};

/// The batch and the draw lie on one device, but draw.diversity_weight on the CPU. Throws Error when context and latent do not
/// fit the upsampling, or a latent has less than 8x8 latent pixels.
RolloutBatch make_rollout_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& draw);

/// Velocity v(x, t | context); t: (B).
using BatchVelocity =
    std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context)>;

/// Where Euler's method carries the task's starts from t = 0 to 1, with gradients: (B + N, C, H, W), float32.
torch::Tensor walk(const RolloutBatch& task, const BatchVelocity& velocity);

/// How far latents (B, C, H, W) are from each other, (B), float32: the distances of latent pixels, of differences of
/// neighboring latent pixels, of patches of 2x2 and 4x4 latent pixels, and of 4x4 means of 2x2 latent pixels, each averaged over the latent
/// and divided by the root of its numbers, summed. Patches are cut from `patches` on.
torch::Tensor patch_distance(const torch::Tensor& a, const torch::Tensor& b, PatchPlace patches);

/// Mean over the batch of what is left of the way in the walks' ends, a scalar. Of a noisy pair the energy score of its
/// two ends y and y' (Gneiting and Raftery, "Strictly Proper Scoring Rules", JASA 102, 2007, section 4.3),
///   (d(y, x1) + d(y', x1)) / 2 - diversity_weight d(y, y') / 2     with d = patch_distance
/// which, at a diversity_weight of 1, is least on average where the ends are distributed as x1 is; at 0, where they are at its
/// middle. Of a clean one, whose flow has but one end, kNoiselessWeight times the mean of (y - x1)^2, or d(y, x1).
torch::Tensor energy_loss(const RolloutBatch& task, const torch::Tensor& ends);

/// In the training of the bundled coupling an energy was about 0.9 where the squares were 0.12.
inline constexpr double kNoiselessWeight = 5.0;

}  // namespace fmboost
