#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <torch/types.h>

#include "fmboost/flow/coupling.h"
#include "fmboost/flow/path.h"

#include "data/pair_dataset.h"

namespace fmboost {

/// What is asked of the network.
enum class Objective {
  velocity,  ///< the path's velocity wherever it is: flow matching
  energy     ///< that the flow's ends, after a few steps, are distributed as the latents are: see energy_loss.h
};

/// "velocity" or "energy". Throws UsageError otherwise.
Objective parse_objective(const std::string& name);
std::string objective_name(Objective objective);

/// How Objective::energy judges the end of a walk without noise, which is the only one of its pair.
enum class NoiselessLoss {
  mse,            ///< squared error: it should end at the mean of what may be there, the most faithful end
  patch_distance  ///< in the middle (the geometric median), where a likely outline stays sharp
};

/// "mse" or "patch-distance". Throws UsageError otherwise.
NoiselessLoss parse_noiseless_loss(const std::string& name);
std::string noiseless_loss_name(NoiselessLoss loss);

/// What the network is taught: the path, and where it starts. The published training is the defaults.
struct FlowLossOptions {
  Objective objective = Objective::velocity;
  int rollout_steps = 4;  ///< of the energy: batches walk 1, 2, 4, ... up to this many Euler steps, each as likely
  NoiselessLoss noiseless_loss = NoiselessLoss::mse;  ///< of the energy
  PathKind path = PathKind::linear;
  double sigma_min = 0.0;                    ///< noise on top of x_t, linear path only
  Upsampling upsampling = Upsampling::pixel;   ///< pixel: the data's context has been upscaled already
  int noising_step = 400;                    ///< of 1000, how noisy x0 is; 0 and less: x0 is the context
  std::optional<int> noising_step_max = {};  ///< every sample's step is drawn from noising_step to this one, inclusive
  double noising_share = 1.0;                ///< of the samples that draw their step; the others keep noising_step
  bool start_from_noise = false;             ///< x0 is noise alone
  bool with_context = true;                  ///< the network sees the context

  /// Whether there is more than one noising step to draw from.
  bool draws_noising_step() const;
  /// What to tell of settings that train, but badly; empty where there is nothing to say.
  std::string warning() const;
  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// Where patches of latents are cut from, in latent pixels.
struct PatchPlace {
  int y = 0, x = 0;
};

/// Everything that is random about the loss of a batch. Noises are standard normal, of the latent's shape, and
/// undefined where the options do without.
struct FlowNoise {
  torch::Tensor t;           ///< (B), U(0, 1), float32
  torch::Tensor start;       ///< of x0
  torch::Tensor path;        ///< of sigma_min
  torch::Tensor upsampling;  ///< of noise upsampling
  torch::Tensor alpha_bar;   ///< (B), noising_alpha_bar() at each sample's step, float32; only where that is drawn
  std::uint64_t dropout_seed = 0;
  // Of Objective::energy only:
  torch::Tensor other_start;  ///< of a second x0
  torch::Tensor diversity_weight;       ///< (B), 0 to 1: each sample's noising step, relative to the largest; stays on the CPU
  int rollout_steps = 1;         ///< of the batch, as the following
  PatchPlace patches;
};

/// Draws for the samples that have these numbers in the run. A sample's draw depends on the seed and its number alone:
/// it is the same in whatever batch, process or continued run the sample stands. float32 on the CPU.
FlowNoise draw_flow_noise(const FlowLossOptions& options, at::IntArrayRef latent_shape, std::uint64_t seed,
                   std::span<const std::int64_t> sample_numbers);

/// What the network is given and what it should answer.
struct FlowBatch {
  torch::Tensor x;         ///< x_t, (B, C, H, W)
  torch::Tensor t;         ///< (B)
  torch::Tensor context;   ///< (B, C, H, W), or undefined
  torch::Tensor velocity;  ///< u_t, (B, C, H, W)
};

/// The batch and the draw lie on one device. Throws Error when context and latent do not fit the upsampling.
FlowBatch make_flow_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& draw);

/// Mean over everything of (v - u)^2, computed in float32; a scalar on the device.
torch::Tensor flow_matching_loss(const torch::Tensor& predicted, const torch::Tensor& velocity);

}  // namespace fmboost
