#include "pipeline/denoising.h"

#include "fmboost/core/interrupt.h"
#include "fmboost/core/random.h"
#include "fmboost/diffusion/sampler.h"

#include "diffusion/guidance.h"

namespace fmboost {
namespace {

// One generator per image: an image gets the same numbers in a batch as alone.
class BatchNoise {
 public:
  BatchNoise(const std::vector<std::uint64_t>& seeds, std::vector<std::int64_t> shape) : shape_(std::move(shape)) {
    for (const auto seed : seeds) {
      generators_.push_back(cpu_generator(seed));
    }
  }
  torch::Tensor draw() {
    std::vector<torch::Tensor> samples;
    for (auto& generator : generators_) {
      samples.push_back(gaussian_noise(shape_, generator));
    }
    return torch::cat(samples);
  }

 private:
  std::vector<at::Generator> generators_;
  std::vector<std::int64_t> shape_;
};

}  // namespace

SamplerOptions sampler_options(const GeneratePlan& plan, const DenoiserEntry& denoiser) {
  return {.name = plan.sampler,
          .steps = plan.steps,
          .karras = plan.karras,
          .eta = plan.eta,
          .prediction = denoiser.prediction};
}

torch::Tensor denoise(ModelComponents& components, const GeneratePlan& plan, const std::vector<std::uint64_t>& seeds,
                      const TextStates& text, torch::ScalarType dtype, const ProgressCallback& progress) {
  const DenoiserEntry& entry = *components.manifest().denoiser;
  const std::int64_t factor = components.manifest().autoencoder->factor;
  const torch::Device device = components.placement().device;
  Denoiser& denoiser = components.denoiser(dtype);
  const auto sampler = make_sampler(sampler_options(plan, entry), NoiseSchedule(plan.schedule));

  const auto batch = static_cast<std::int64_t>(seeds.size());
  torch::Tensor guidance;
  if (entry.guidance_embedding) {
    guidance = guidance_embedding(plan.guidance, static_cast<int>(*entry.guidance_embedding)).repeat({batch, 1});
  }
  const torch::Tensor both = plan.guided ? torch::cat({text.unconditional, text.conditional}) : torch::Tensor();
  const auto predict = [&](const torch::Tensor& x, double timestep) {
    check_interrupt();
    if (!plan.guided) {
      return denoiser.predict(x, timestep, text.conditional, guidance);
    }
    return guided_prediction(x, plan.guidance, [&](const torch::Tensor& twice) {
      return denoiser.predict(twice, timestep, both, guidance);
    });
  };
  const auto advance = [&](const SamplerStep& step) {
    if (progress) {
      progress("denoise", step.index + 1, step.total);
    }
  };
  BatchNoise noise(seeds, {1, entry.latent_channels, plan.chain.low.height / factor, plan.chain.low.width / factor});
  const torch::Tensor start = noise.draw().to(device) * sampler->init_noise_sigma();
  return sampler->sample(
      start, predict, [&] { return noise.draw().to(device); }, advance);
}

}  // namespace fmboost
