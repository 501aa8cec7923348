#include "train/loss/flow_loss.h"

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

// The noising step relative to the largest one.
float diversity_weight_of(const FlowLossOptions& options, int step) {
  if (options.draws_noising_step()) {
    return static_cast<float>(step) / static_cast<float>(*options.noising_step_max);
  }
  return needs_start_noise(options) ? 1.F : 0.F;
}

// 1, 2, 4, ... up to `max_steps`.
int drawn_rollout_steps(int max_steps, std::uint64_t seed) {
  const auto choices = static_cast<std::uint64_t>(std::bit_width(static_cast<unsigned>(max_steps)));
  return 1 << (derive_seed(seed, "rollout steps") % choices);
}

torch::Tensor start_of(const FlowLossOptions& options, const torch::Tensor& context, const FlowNoise& noise) {
  if (options.start_from_noise) {
    return noise.start;
  }
  return noise.alpha_bar.defined() ? noised_start(context, noise.start, noise.alpha_bar)
                                   : noised_start(context, noise.start, options.noising_step);
}

torch::Tensor upsampled_context(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& noise) {
  const torch::Tensor& latent = batch.latent;
  const torch::Tensor& context = batch.context;
  const bool same_size = latent.sizes() == context.sizes();
  const std::string key = batch.keys.empty() ? "?" : batch.keys.front();
  const std::string kind = enum_name(options.upsampling);
  if (options.upsampling == Upsampling::pixel || options.upsampling == Upsampling::identity) {
    if (!same_size) {
      throw Error(c10::str("`upsampling` ", kind, " requires contexts of the latents' size; '", key, "' has a context ",
                           context.sizes(), " and a latent ", latent.sizes(),
                           "; use `upsampling` latent for this data"));
    }
    return context;
  }
  if (same_size) {
    throw Error("`upsampling` " + kind + " requires contexts that are smaller than the latents; those of '" + key +
                "' have the same size: use `upsampling` pixel for this data");
  }
  return upsample_latent(context, options.upsampling, latent.size(2), latent.size(3), noise.upsampling);
}

// Draws the samples of one batch.
class NoiseSource {
 public:
  NoiseSource(const FlowLossOptions& options, std::uint64_t seed, std::span<const std::int64_t> numbers)
      : options_(options), stream_(derive_seed(seed, "flow matching")), numbers_(numbers) {}

  // Allocates the tensors and draws what the whole batch shares.
  FlowNoise make_batch(at::IntArrayRef shape) const {
    const auto buffer = [&](bool needed) { return needed ? torch::empty(shape) : torch::Tensor(); };
    const bool energy = options_.objective == Objective::energy;
    FlowNoise noise;
    noise.t = torch::empty({shape[0]});
    noise.start = buffer(needs_start_noise(options_));
    noise.path = buffer(options_.sigma_min > 0);
    noise.upsampling = buffer(options_.upsampling == Upsampling::noise_upsampling);
    noise.alpha_bar = options_.draws_noising_step() ? torch::empty({shape[0]}) : torch::Tensor();
    noise.dropout_seed = sample_seed(0, "dropout");
    noise.other_start = buffer(energy && needs_start_noise(options_));
    if (energy) {
      noise.diversity_weight = torch::empty({shape[0]});
      noise.rollout_steps = drawn_rollout_steps(options_.rollout_steps, sample_seed(0, "batch"));
      const std::uint64_t offset = sample_seed(0, "patches");
      noise.patches = {.y = static_cast<int>(offset % 8), .x = static_cast<int>(offset / 8 % 8)};
    }
    return noise;
  }

  void draw_sample(std::int64_t i, FlowNoise& noise) const {
    at::Generator generator = cpu_generator(sample_seed(i, "sample"));
    noise.t[i].uniform_(0, 1, generator);
    for (const auto& field : {noise.start, noise.path, noise.upsampling}) {
      if (field.defined()) {
        field[i].normal_(0, 1, generator);
      }
    }
    const int step =
        options_.draws_noising_step() ? drawn_noising_step(options_, own_stream(i)) : options_.noising_step;
    if (noise.alpha_bar.defined()) {
      noise.alpha_bar[i] = noising_alpha_bar()[step].item<float>();
    }
    if (noise.other_start.defined()) {
      at::Generator other = cpu_generator(sample_seed(i, "other sample"));
      noise.other_start[i].normal_(0, 1, other);
    }
    if (noise.diversity_weight.defined()) {
      noise.diversity_weight[i] = diversity_weight_of(options_, step);
    }
  }

 private:
  std::uint64_t own_stream(std::int64_t i) const {
    return stream_ + static_cast<std::uint64_t>(numbers_[static_cast<std::size_t>(i)]);
  }
  std::uint64_t sample_seed(std::int64_t i, const char* purpose) const { return derive_seed(own_stream(i), purpose); }

  const FlowLossOptions& options_;
  std::uint64_t stream_;
  std::span<const std::int64_t> numbers_;
};

}  // namespace

FlowNoise draw_flow_noise(const FlowLossOptions& options, at::IntArrayRef latent_shape, std::uint64_t seed,
                          std::span<const std::int64_t> sample_numbers) {
  TORCH_CHECK(latent_shape.size() == 4 && latent_shape[0] == static_cast<std::int64_t>(sample_numbers.size()),
              "draw_flow_noise needs one number per sample");
  const torch::NoGradGuard no_grad;
  const NoiseSource source(options, seed, sample_numbers);
  FlowNoise noise = source.make_batch(latent_shape);
  // In parallel, because a GPU would otherwise wait for the noise. Every sample has its own generator, so the order
  // does not matter.
  at::parallel_for(0, latent_shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
    const torch::NoGradGuard no_grad_here;  // the guard above applies to the calling thread only
    for (std::int64_t i = begin; i < end; ++i) {
      source.draw_sample(i, noise);
    }
  });
  return noise;
}

FlowBatch make_flow_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& noise) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor context = upsampled_context(options, batch, noise);
  const torch::Tensor x0 = start_of(options, context, noise);
  const Path path(options.path, options.sigma_min);
  return {.x = path.interpolate(noise.t, x0, batch.latent, noise.path),
          .t = noise.t,
          .context = options.with_context ? context : torch::Tensor(),
          .velocity = path.velocity(noise.t, x0, batch.latent)};
}

torch::Tensor flow_matching_loss(const torch::Tensor& predicted, const torch::Tensor& velocity) {
  return at::mse_loss(predicted.to(torch::kFloat32), velocity.to(torch::kFloat32));
}

}  // namespace fmboost
