#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fmboost/core/enum_names.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/flow/ode_solver.h"
#include "fmboost/flow/path.h"
#include "fmboost/nn/cfm_unet_options.h"

namespace fmboost {

/// The training objective.
enum class Objective {
  velocity,  ///< flow matching: predict the path's velocity everywhere along it
  energy     ///< the end points of the flow, after a few solver steps, are distributed as the latents are
};

template <>
inline constexpr auto kEnumNames<Objective> = enum_table<Objective>("objective", {{Objective::velocity, "velocity"},
                                                                                  {Objective::energy, "energy"}});

/// The loss that Objective::energy applies to the end point of a pair without noise, which has only one.
enum class NoiselessLoss {
  mse,            ///< squared error: the optimum is the mean of the possible images, the most faithful end point
  patch_distance  ///< the optimum is their geometric median, in which a likely edge stays sharp
};

template <>
inline constexpr auto kEnumNames<NoiselessLoss> = enum_table<NoiselessLoss>(
    "noiseless loss", {{NoiselessLoss::mse, "mse"}, {NoiselessLoss::patch_distance, "patch-distance"}});

/// The path that the network learns, and where it starts. The defaults are the published training.
struct FlowLossOptions {
  Objective objective = Objective::velocity;
  int rollout_steps = 4;  ///< energy: each batch takes 1, 2, 4, ... up to this many Euler steps, all equally likely
  NoiselessLoss noiseless_loss = NoiselessLoss::mse;  ///< energy
  PathKind path = PathKind::linear;
  double sigma_min = 0.0;                     ///< noise added to x_t, linear path only
  Upsampling upsampling = Upsampling::pixel;  ///< pixel: the data's context has been upscaled already
  int noising_step = 400;                     ///< 0 .. 999, how noisy x0 is; 0 and less: x0 is the context
  std::optional<int> noising_step_max = {};   ///< each sample's step is drawn from noising_step to this one, inclusive
  double noising_share = 1.0;     ///< share of the samples that draw their step; the others use noising_step
  bool start_from_noise = false;  ///< x0 is pure noise
  bool with_context = true;       ///< the network sees the context

  /// Whether there is more than one noising step to draw from.
  bool draws_noising_step() const;
  /// A warning about settings that train badly; empty if there is none.
  std::string warning() const;
  /// Throws UsageError naming what is out of range.
  void check() const;
};

struct OptimizerOptions {
  std::string method = "adam";  ///< adam (weight decay is added to the gradient) or adamw (decoupled)
  double lr = 3e-5;             ///< before the schedule's factor
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
  std::string kernels = "auto";  ///< fused, foreach, or auto: fused if LibTorch has it for the device

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
};

/// How the learning rate changes over a run.
struct LrScheduleOptions {
  std::string shape = "constant";    ///< after the warm-up: constant, or cosine (half a period down to `final_factor`)
  std::int64_t warmup_steps = 1000;  ///< linear from 0
  double final_factor = 0.0;         ///< of the learning rate, at the end of the cosine

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
  /// The factor of the learning rate in the step after `done` steps of `total`: done / warmup_steps at first, so that
  /// the very first step changes nothing, as in the published training.
  double factor(std::int64_t done, std::int64_t total) const;
};

/// Exponential moving average of the weights, with the published training's schedule
/// (https://github.com/lucidrains/ema-pytorch).
struct EmaOptions {
  double beta = 0.999;                    ///< the largest decay
  std::int64_t update_after_step = 1000;  ///< up to this many updates the average is a copy
  std::int64_t update_every = 1;          ///< only every such update changes the average
  double power = 0.75;                    ///< how fast the decay grows

  /// Throws UsageError naming what is out of range.
  void check() const;
  /// The decay at the nth update, counted from 1: min(beta, 1 - (1 + epoch)^-power) with
  /// epoch = update - update_after_step - 1; 0 (a copy) up to epoch 0.
  double decay(std::int64_t update) const;
};

/// The published training's network: CfmUnetOptions' defaults with softmax attention.
CfmUnetOptions published_cfm_network();

/// Everything except the data that determines the weights of a training. The defaults are the published training
/// (https://github.com/CompVis/fm-upscaling).
struct TrainOptions {
  FlowLossOptions flow;
  CfmUnetOptions network = published_cfm_network();
  OptimizerOptions optimizer;
  LrScheduleOptions schedule;
  EmaOptions ema;
  double clip_norm = 0.0;       ///< largest norm of the gradient over all weights; 0: no limit
  std::int64_t accumulate = 1;  ///< batches whose gradients are averaged into one step
  /// bf16-mixed (autocast; weights stay float32), as published, or float32. auto: bf16-mixed on GPUs and on CPUs with
  /// instructions for bfloat16, float32 on other CPUs.
  std::string precision = "auto";
  /// Of weights and activations: channels-last, contiguous, or auto: the faster one, which is channels-last on GPUs
  /// (tensor cores) and contiguous on CPUs (docs/training.md has the measurements).
  std::string memory_format = "auto";
  std::int64_t batch_size = 8;  ///< samples per process and batch
  std::int64_t steps = 100000;  ///< optimizer steps of the whole run
  std::uint64_t seed = 42;

  /// Throws UsageError or ModelError naming what is out of range.
  void check() const;
};

/// How often a run reports, validates and saves. The published training validates every 5000 steps.
struct TrainerOptions {
  std::int64_t log_every = 50;           ///< steps
  std::int64_t validate_every = 5000;    ///< steps; 0: never
  std::int64_t checkpoint_every = 1000;  ///< steps; 0: only at the end of the run and when validation is best

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// The published trainer validates 64 batches with the averaged network, with 40 steps of RK4.
struct ValidationOptions {
  OdeOptions ode{.method = "rk4", .steps = 40};
  std::int64_t pairs = 512;      ///< taken from the start of the dataset
  std::int64_t batch_size = 8;   ///< pairs of one size that are solved and decoded together
  std::int64_t sheet_pairs = 4;  ///< rows of the contact sheet; 0: none
  std::uint64_t seed = 42;       ///< of the noise and the dataset's random choices; the same for every validation

  /// Throws UsageError naming what is out of range.
  void check() const;
};

}  // namespace fmboost
