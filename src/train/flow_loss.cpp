#include "train/flow_loss.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <bit>
#include <string>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

namespace fmboost {
namespace {

bool needs_start_noise(const FlowLossOptions& options) {
  return options.start_from_noise || options.noising_step > 0 || options.draws_noising_step();
}

// `seed`: the sample's own.
int drawn_noising_step(const FlowLossOptions& options, std::uint64_t seed) {
  const int least = std::max(options.noising_step, 0);
  const auto steps = static_cast<std::uint64_t>(*options.noising_step_max - least) + 1;
  const double chance = static_cast<double>(derive_seed(seed, "noising share") >> 11) * 0x1p-53;  // in [0, 1)
  const int more = chance < options.noising_share ? static_cast<int>(derive_seed(seed, "noising step") % steps) : 0;
  return least + more;
}

// How far along the dial a step lies.
float diversity_weight_of(const FlowLossOptions& options, int step) {
  if (options.draws_noising_step()) {
    return static_cast<float>(step) / static_cast<float>(*options.noising_step_max);
  }
  return needs_start_noise(options) ? 1.F : 0.F;
}

// 1, 2, 4, ... up to the largest.
int drawn_rollout_steps(int largest, std::uint64_t seed) {
  const auto choices = static_cast<std::uint64_t>(std::bit_width(static_cast<unsigned>(largest)));
  return 1 << (derive_seed(seed, "walk steps") % choices);
}

torch::Tensor start_of(const FlowLossOptions& options, const torch::Tensor& context, const FlowNoise& draw) {
  if (options.start_from_noise) {
    return draw.start;
  }
  return draw.alpha_bar.defined() ? noised_start(context, draw.start, draw.alpha_bar)
                                  : noised_start(context, draw.start, options.noising_step);
}

torch::Tensor upsampled_context(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& draw) {
  const torch::Tensor& latent = batch.latent;
  const torch::Tensor& context = batch.context;
  const bool same_size = latent.sizes() == context.sizes();
  if (options.upsampling == Upsampling::pixel || options.upsampling == Upsampling::identity) {
    if (!same_size) {
      throw Error(c10::str("with the coupling ", enum_name(options.upsampling),
                           " context and latent must be of one size; '", batch.keys.empty() ? "?" : batch.keys.front(),
                           "' has a context ", context.sizes(), " beside a latent ", latent.sizes(),
                           "; for data with small contexts use latent"));
    }
    return context;
  }
  if (same_size) {
    throw Error("with the coupling " + enum_name(options.upsampling) +
                " the context must be smaller than the latent; '" + (batch.keys.empty() ? "?" : batch.keys.front()) +
                "' has them of one size: this data was made for pixel");
  }
  return upsample_latent(context, options.upsampling, latent.size(2), latent.size(3), draw.upsampling);
}

}  // namespace

Objective parse_objective(const std::string& name) {
  if (name == "velocity") {
    return Objective::velocity;
  }
  if (name == "energy") {
    return Objective::energy;
  }
  throw UsageError("unknown objective '" + name + "': use velocity or energy");
}

std::string objective_name(Objective objective) {
  return objective == Objective::velocity ? "velocity" : "energy";
}

NoiselessLoss parse_noiseless_loss(const std::string& name) {
  if (name == "mse") {
    return NoiselessLoss::mse;
  }
  if (name == "patch-distance") {
    return NoiselessLoss::patch_distance;
  }
  throw UsageError("unknown loss of clean pairs '" + name + "': use mse or patch-distance");
}

std::string noiseless_loss_name(NoiselessLoss loss) {
  return loss == NoiselessLoss::mse ? "mse" : "patch-distance";
}

bool FlowLossOptions::draws_noising_step() const {
  return noising_step_max && *noising_step_max > std::max(noising_step, 0);
}

void FlowLossOptions::check() const {
  const Path checked(path, sigma_min);
  if (noising_step > 999) {
    throw UsageError("the noising step must be at most 999, not " + std::to_string(noising_step));
  }
  if (noising_step_max && (*noising_step_max > 999 || *noising_step_max < noising_step)) {
    throw UsageError("noising steps cannot be drawn from " + std::to_string(noising_step) + " to " +
                     std::to_string(*noising_step_max) +
                     ": the largest one is at least the least one, and at most 999");
  }
  if (!(noising_share >= 0 && noising_share <= 1)) {
    throw UsageError("the share of pairs that draw their noising step must be from 0 to 1, not " +
                     std::to_string(noising_share));
  }
  if (noising_step_max && start_from_noise) {
    throw UsageError("a start at noise alone has no noising step, so none can be drawn up to a largest one");
  }
  if (objective == Objective::energy && sigma_min > 0) {
    throw UsageError(
        "the energy objective walks along the flow and knows no noise on the path: leave --sigma-min at 0");
  }
  if (rollout_steps < 1 || rollout_steps > 64) {
    throw UsageError("walks have 1 to 64 steps, not " + std::to_string(rollout_steps));
  }
}

std::string FlowLossOptions::warning() const {
  if (draws_noising_step() && sigma_min > 0) {
    return "noise on the path (--sigma-min) stays in what becomes of noisy starts, as grain; with --noising-step-max "
           "the starts' own noise does its work: try --sigma-min 0";
  }
  if (objective == Objective::velocity && with_context && !needs_start_noise(*this) && sigma_min == 0) {
    return "with --noising-step 0 and --sigma-min 0 every point of the path but the first tells where it ends, and "
           "hardly anything is learned for the first, where upscaling begins; try --sigma-min 0.1";
  }
  return {};
}

FlowNoise draw_flow(const FlowLossOptions& options, at::IntArrayRef latent_shape, std::uint64_t seed,
                   std::span<const std::int64_t> sample_numbers) {
  TORCH_CHECK(latent_shape.size() == 4 && latent_shape[0] == static_cast<std::int64_t>(sample_numbers.size()),
              "draw_flow needs one number a sample");
  const torch::NoGradGuard no_grad;
  FlowNoise draw;
  draw.t = torch::empty({latent_shape[0]});
  const auto noise = [&](bool needed) { return needed ? torch::empty(latent_shape) : torch::Tensor(); };
  draw.start = noise(needs_start_noise(options));
  draw.path = noise(options.sigma_min > 0);
  draw.upsampling = noise(options.upsampling == Upsampling::noise_upsampling);
  draw.alpha_bar = options.draws_noising_step() ? torch::empty({latent_shape[0]}) : torch::Tensor();
  const std::uint64_t stream = derive_seed(seed, "flow matching");
  const auto sample_seed = [&](std::int64_t number, const char* purpose) {
    return derive_seed(stream + static_cast<std::uint64_t>(number), purpose);
  };
  draw.dropout_seed = sample_seed(sample_numbers.front(), "dropout");
  const bool walks = options.objective == Objective::energy;
  draw.other_start = noise(walks && needs_start_noise(options));
  if (walks) {
    draw.diversity_weight = torch::empty({latent_shape[0]});
    draw.rollout_steps = drawn_rollout_steps(options.rollout_steps, sample_seed(sample_numbers.front(), "batch"));
    const std::uint64_t place = sample_seed(sample_numbers.front(), "patches");
    draw.patches = {.y = static_cast<int>(place % 8), .x = static_cast<int>(place / 8 % 8)};
  }
  const auto draw_sample = [&](std::int64_t i) {
    const auto number = sample_numbers[static_cast<std::size_t>(i)];
    at::Generator generator = cpu_generator(sample_seed(number, "sample"));
    draw.t[i].uniform_(0, 1, generator);
    for (const auto& field : {draw.start, draw.path, draw.upsampling}) {
      if (field.defined()) {
        field[i].normal_(0, 1, generator);
      }
    }
    const int step = options.draws_noising_step()
                         ? drawn_noising_step(options, stream + static_cast<std::uint64_t>(number))
                         : options.noising_step;
    if (draw.alpha_bar.defined()) {
      draw.alpha_bar[i] = noising_alpha_bar()[step].item<float>();
    }
    if (draw.other_start.defined()) {
      at::Generator other = cpu_generator(sample_seed(number, "other sample"));
      draw.other_start[i].normal_(0, 1, other);
    }
    if (draw.diversity_weight.defined()) {
      draw.diversity_weight[i] = diversity_weight_of(options, step);
    }
  };
  // A GPU would wait for one thread's noise. Every sample has a generator of its own: the order changes nothing.
  at::parallel_for(0, latent_shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
    const torch::NoGradGuard no_grad_here;  // the guard above is the calling thread's
    for (std::int64_t i = begin; i < end; ++i) {
      draw_sample(i);
    }
  });
  return draw;
}

FlowTask make_flow_task(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& draw) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor context = upsampled_context(options, batch, draw);
  const torch::Tensor x0 = start_of(options, context, draw);
  const Path path(options.path, options.sigma_min);
  return {.x = path.interpolate(draw.t, x0, batch.latent, draw.path),
          .t = draw.t,
          .context = options.with_context ? context : torch::Tensor(),
          .velocity = path.velocity(draw.t, x0, batch.latent)};
}

torch::Tensor flow_matching_loss(const torch::Tensor& predicted, const torch::Tensor& velocity) {
  return at::mse_loss(predicted.to(torch::kFloat32), velocity.to(torch::kFloat32));
}

}  // namespace fmboost
