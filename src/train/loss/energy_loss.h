#pragma once

#include <functional>
#include <torch/types.h>

#include "train/loss/flow_loss.h"

namespace fmboost {

/// The rollouts of a batch under Objective::energy, from x0 to the end of the flow. Pairs with a noisy start have two
/// rollouts, from two noises.
struct RolloutBatch {
  torch::Tensor x = {};          ///< (B + N, C, H, W): x0 of every pair, then of the N noisy pairs with the other noise
  torch::Tensor context = {};    ///< the contexts in the same order, or undefined
  torch::Tensor latent = {};     ///< (B, C, H, W), the targets
  torch::Tensor noisy = {};      ///< (N) int64, the pairs with two rollouts
  torch::Tensor noiseless = {};  ///< (B - N) int64, the others
  torch::Tensor diversity_weight = {};  ///< (N), of the noisy pairs
  NoiselessLoss noiseless_loss = NoiselessLoss::mse;
  int steps = 1;             ///< Euler steps of every rollout
  PatchOffset patches = {};  ///< for patch_distance
};

/// Batch and noise must be on one device, except noise.diversity_weight, which is on the CPU. Throws Error if context
/// and latent do not fit the upsampling, or a latent is smaller than 8x8 latent pixels.
RolloutBatch make_rollout_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& noise);

/// Velocity v(x, t | context); t: (B).
using BatchVelocity =
    std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context)>;

/// Integrates from t = 0 to 1 with Euler's method and returns the end points, with gradients: (B + N, C, H, W),
/// float32.
torch::Tensor roll_out(const RolloutBatch& rollouts, const BatchVelocity& velocity);

/// A distance of latents (B, C, H, W), per sample, (B), float32. It sums the Euclidean distances of latent pixels, of
/// differences between neighboring latent pixels, of patches of 2x2 and 4x4 latent pixels, and of 4x4 means of 2x2
/// latent pixels, each averaged over the latent and divided by the square root of its dimension. `patches` is the
/// offset of the grid of patches.
torch::Tensor patch_distance(const torch::Tensor& a, const torch::Tensor& b, PatchOffset patches);

/// The loss of the rollouts' end points, averaged over the batch, a scalar. For a noisy pair it is the energy score of
/// its two end points y and y' (Gneiting and Raftery, "Strictly Proper Scoring Rules", JASA 102, 2007, section 4.3),
///   (d(y, x1) + d(y', x1)) / 2 - diversity_weight d(y, y') / 2     with d = patch_distance
/// whose expectation is minimal, for a diversity_weight of 1, if the end points are distributed as x1 is; for 0, if
/// they are at the geometric median of x1. A noiseless pair has one end point; its loss is kNoiselessWeight times the
/// mean of (y - x1)^2, or d(y, x1).
torch::Tensor energy_loss(const RolloutBatch& rollouts, const torch::Tensor& ends);

/// Balances the two terms: in the training of the bundled coupling the energy was about 0.9 and the mean square 0.12.
inline constexpr double kNoiselessWeight = 5.0;

}  // namespace fmboost
