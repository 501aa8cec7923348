#pragma once

#include <torch/types.h>
#include <vector>

#include "fmboost/core/random.h"
#include "fmboost/train/options.h"

#include "data/pair_dataset.h"
#include "train/loss/flow_loss.h"

namespace fmboost::test {

/// A network of 0.2 million weights and a training on it that changes them from the first step on.
inline TrainOptions small_training() {
  TrainOptions options;
  options.network.model_channels = 32;
  options.network.num_res_blocks = 1;
  options.network.channel_mult = {1, 2};
  options.network.attention_resolutions = {2};
  options.network.num_heads = 2;
  options.network.dim_head = 16;
  options.precision = "float32";
  options.optimizer.lr = 1e-3;
  options.schedule.warmup_steps = 0;
  options.ema.update_after_step = 1;
  options.batch_size = 2;
  options.steps = 6;
  return options;
}

/// Latents of noise and contexts that are half as noisy, 4 channels of 8x8 latent pixels.
class NoisePairs final : public PairDataset {
 public:
  explicit NoisePairs(std::size_t size) : size_(size) {}
  std::size_t size() const override { return size_; }
  LatentPair get(std::size_t index, std::uint64_t) const override {
    at::Generator generator = cpu_generator(index);
    const torch::Tensor latent = gaussian_noise({4, 8, 8}, generator);
    return {.key = "pair-" + std::to_string(index), .latent = latent, .context = latent * 0.5};
  }

 private:
  std::size_t size_;
};

/// The pairs of these numbers as one batch.
inline LatentBatch batch_of(const PairDataset& pairs, const std::vector<std::int64_t>& numbers) {
  LatentBatch batch;
  std::vector<torch::Tensor> latents;
  std::vector<torch::Tensor> contexts;
  for (const auto number : numbers) {
    const LatentPair pair = pairs.get(static_cast<std::size_t>(number), 0);
    batch.keys.push_back(pair.key);
    latents.push_back(pair.latent);
    contexts.push_back(pair.context);
  }
  batch.numbers = numbers;
  batch.latent = torch::stack(latents);
  batch.context = torch::stack(contexts);
  return batch;
}

/// Draws for samples of 4 x 8 x 8 latents with these numbers.
inline FlowNoise draw(const FlowLossOptions& options, std::vector<std::int64_t> numbers, std::uint64_t seed = 3) {
  return draw_flow_noise(options, {static_cast<std::int64_t>(numbers.size()), 4, 8, 8}, seed, numbers);
}

}  // namespace fmboost::test
