#include "train/loss/energy_loss.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <numeric>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "toy_pairs.h"

namespace fmboost::test {
namespace {

using testing::HasSubstr;

constexpr FlowLossOptions kDial{.objective = Objective::energy, .noising_step = 0, .noising_step_max = 300};

std::vector<std::int64_t> numbers_from(std::int64_t first, std::size_t count) {
  std::vector<std::int64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

TEST(DrawFlowNoise, SamplesDependOnlyOnTheirNumbers) {
  const FlowNoise together = draw(kDial, {5, 6, 7});
  const FlowNoise alone = draw(kDial, {6});
  EXPECT_TRUE(torch::equal(together.other_start[1], alone.other_start[0]));
  EXPECT_TRUE(torch::equal(together.diversity_weight[1], alone.diversity_weight[0]));
  EXPECT_FALSE(torch::equal(together.other_start, together.start));
  FlowLossOptions velocity = kDial;
  velocity.objective = Objective::velocity;
  EXPECT_TRUE(torch::equal(draw(velocity, {6}).start, alone.start));  // the objective does not change other values
  EXPECT_FALSE(draw(velocity, {6}).other_start.defined());
}

TEST(DrawFlowNoise, DiversityWeightIsTheRelativeNoisingStep) {
  const FlowNoise many = draw(kDial, numbers_from(0, 200));
  for (std::int64_t i = 0; i < 200; ++i) {
    const auto step = std::lround(many.diversity_weight[i].item<float>() * 300);
    EXPECT_EQ(noising_alpha_bar()[step].item<float>(), many.alpha_bar[i].item<float>());
  }
  const FlowNoise fixed = draw({.objective = Objective::energy, .noising_step = 100}, {0, 1});
  EXPECT_TRUE(torch::equal(fixed.diversity_weight, torch::ones({2})));
  const FlowNoise noiseless = draw({.objective = Objective::energy, .noising_step = 0}, {0, 1});
  EXPECT_TRUE(torch::equal(noiseless.diversity_weight, torch::zeros({2})));
  EXPECT_FALSE(noiseless.other_start.defined());
}

TEST(DrawFlowNoise, RolloutStepsArePowersOfTwoUpToTheMaximum) {
  std::map<int, int> counts;
  for (std::int64_t i = 0; i < 300; ++i) {
    const FlowNoise one = draw(kDial, {i});
    ++counts[one.rollout_steps];
    EXPECT_TRUE(one.patches.y >= 0 && one.patches.y < 8 && one.patches.x >= 0 && one.patches.x < 8);
  }
  EXPECT_THAT(counts, testing::ElementsAre(testing::Key(1), testing::Key(2), testing::Key(4)));
  for (const auto& [steps, count] : counts) {
    EXPECT_NEAR(count, 100, 40) << steps;
  }
}

TEST(FlowLossOptions, NoiseOnThePathIsRefused) {
  const auto message = [](const FlowLossOptions& options) -> std::string {
    try {
      options.check();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(kDial), "");
  EXPECT_THAT(message({.objective = Objective::energy, .sigma_min = 0.1}), HasSubstr("`sigma_min` 0"));
  EXPECT_THAT(message({.objective = Objective::energy, .rollout_steps = 0}), HasSubstr("from 1 to 64"));
  EXPECT_THROW(parse_enum<Objective>("score"), UsageError);
}

TEST(RolloutBatch, NoisyPairsHaveTwoRollouts) {
  const LatentBatch batch = batch_of(NoisePairs(8), {0, 1, 2});
  FlowNoise drawn = draw(kDial, {0, 1, 2});
  drawn.diversity_weight = torch::tensor({0.5F, 0.F, 1.F});
  const RolloutBatch rollouts = make_rollout_batch(kDial, batch, drawn);
  EXPECT_EQ(rollouts.x.sizes(), at::IntArrayRef({5, 4, 8, 8}));
  EXPECT_TRUE(torch::equal(rollouts.noisy, torch::tensor({0, 2})));
  EXPECT_TRUE(torch::equal(rollouts.noiseless, torch::tensor({1})));
  EXPECT_TRUE(torch::equal(rollouts.diversity_weight, torch::tensor({0.5F, 1.F})));
  const torch::Tensor first = noised_start(batch.context, drawn.start, drawn.alpha_bar);
  const torch::Tensor other = noised_start(batch.context, drawn.other_start, drawn.alpha_bar);
  EXPECT_TRUE(torch::equal(rollouts.x, torch::cat({first, other.index_select(0, rollouts.noisy)})));
  EXPECT_TRUE(
      torch::equal(rollouts.context, torch::cat({batch.context, batch.context.index_select(0, rollouts.noisy)})));
}

TEST(RolloutBatch, NoiselessFlowStartsAtTheContextOnly) {
  const FlowLossOptions options{.objective = Objective::energy, .noising_step = 0};
  const LatentBatch batch = batch_of(NoisePairs(8), {0, 1});
  const RolloutBatch rollouts = make_rollout_batch(options, batch, draw(options, {0, 1}));
  EXPECT_TRUE(torch::equal(rollouts.x, batch.context));
  EXPECT_EQ(rollouts.noisy.size(0), 0);
}

TEST(RolloutBatch, LatentsTooSmallForPatchesAreRefused) {
  LatentBatch batch = batch_of(NoisePairs(1), {0});
  batch.latent = batch.latent.narrow(3, 0, 6);
  EXPECT_THROW(make_rollout_batch(kDial, batch, draw(kDial, {0})), Error);
}

TEST(RollOut, IntegratesWithEulersMethod) {
  RolloutBatch rollouts{.x = torch::ones({2, 1, 1, 1}), .context = torch::full({2, 1, 1, 1}, 3.0F)};
  rollouts.steps = 4;
  std::vector<float> times;
  const torch::Tensor end =
      roll_out(rollouts, [&](const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& c) {
        times.push_back(t[1].item<float>());
        return x + c;
      });
  EXPECT_THAT(times, testing::ElementsAre(0.F, 0.25F, 0.5F, 0.75F));
  EXPECT_NEAR(end[0].item<double>(), 4 * std::pow(1.25, 4) - 3, 1e-5);
}

TEST(PatchDistance, ConstantDifferenceCountsInFourViews) {
  const torch::Tensor a = torch::zeros({2, 3, 16, 19});
  const torch::Tensor b = torch::full_like(a, 0.5);
  // Neighboring latent pixels do not differ, so only the root of epsilon remains of that view.
  EXPECT_NEAR(patch_distance(a, b, {.y = 3, .x = 7})[1].item<double>(), 4 * 0.5 + 1e-3, 1e-5);
}

TEST(PatchDistance, CoversEveryLatentPixelAndUsesThePatchOffset) {
  const torch::Tensor a = torch::zeros({1, 2, 12, 12});
  torch::Tensor b = a.clone();
  b.index_put_({0, 1, 9, 9}, 5.0);  // outside the first 8x8
  const auto near = patch_distance(a, b, {}).item<double>();
  const auto far = patch_distance(a, b, {.y = 7, .x = 7}).item<double>();  // starts at 4, the last possible offset
  EXPECT_GT(near, patch_distance(a, a, {}).item<double>());
  EXPECT_GT(far, near);
}

RolloutBatch rollouts_of(const torch::Tensor& latent, double diversity_weight) {
  const std::int64_t pairs = latent.size(0);
  return {.latent = latent,
          .noisy = torch::arange(pairs),
          .noiseless = torch::empty({0}, torch::kInt64),
          .diversity_weight = torch::full({pairs}, diversity_weight)};
}

// Mean energy of end points drawn around 0 with this deviation, while that of the latents is 1.
double energy_at(double deviation, double diversity_weight) {
  at::Generator generator = cpu_generator(1);
  const torch::Tensor latent = gaussian_noise({400, 2, 8, 8}, generator);
  const torch::Tensor ends = deviation * gaussian_noise({800, 2, 8, 8}, generator);
  return energy_loss(rollouts_of(latent, diversity_weight), ends).item<double>();
}

TEST(EnergyLoss, IsMinimalForEndsDistributedAsTheLatents) {
  EXPECT_LT(energy_at(1.0, 1), energy_at(0.8, 1));
  EXPECT_LT(energy_at(1.0, 1), energy_at(1.2, 1));
  EXPECT_LT(energy_at(0.0, 0), energy_at(0.2, 0));  // without diversity_weight, for end points in the middle
  EXPECT_LT(energy_at(0.2, 0), energy_at(1.0, 0));
}

TEST(EnergyLoss, DetectsCorrelationOfNeighboringLatentPixels) {
  at::Generator generator = cpu_generator(1);
  const auto smooth = [&](std::int64_t count) {
    const torch::Tensor coarse = gaussian_noise({count, 2, 4, 4}, generator);
    return at::upsample_nearest2d(coarse, {8, 8});
  };
  const RolloutBatch rollouts = rollouts_of(smooth(400), 1);
  EXPECT_LT(energy_loss(rollouts, smooth(800)).item<double>(),
            energy_loss(rollouts, gaussian_noise({800, 2, 8, 8}, generator)).item<double>());
}

RolloutBatch noiseless_rollouts(const torch::Tensor& latent, NoiselessLoss loss) {
  return {.latent = latent,
          .noisy = torch::empty({0}, torch::kInt64),
          .noiseless = torch::arange(latent.size(0)),
          .diversity_weight = torch::empty({0}),
          .noiseless_loss = loss};
}

TEST(EnergyLoss, NoiselessPairsUseTheSquaredDifference) {
  const RolloutBatch rollouts = noiseless_rollouts(torch::zeros({2, 1, 8, 8}), NoiselessLoss::mse);
  const torch::Tensor ends = torch::full({2, 1, 8, 8}, 0.1).requires_grad_();
  const torch::Tensor loss = energy_loss(rollouts, ends);
  EXPECT_NEAR(loss.item<double>(), kNoiselessWeight * 0.01, 1e-6);
  loss.backward();
  EXPECT_NEAR(ends.grad().sum().item<double>(), kNoiselessWeight * 0.2, 1e-5);
}

TEST(EnergyLoss, NoiselessPairsCanUseThePatchDistance) {
  const torch::Tensor latent = torch::zeros({2, 3, 16, 16});
  at::Generator generator = cpu_generator(1);
  const torch::Tensor ends = gaussian_noise({2, 3, 16, 16}, generator);
  EXPECT_NEAR(energy_loss(noiseless_rollouts(latent, NoiselessLoss::patch_distance), ends).item<double>(),
              patch_distance(ends, latent, {}).mean().item<double>(), 1e-6);
}

TEST(EnergyLoss, PatchDistancePrefersASharpEdgeOfUncertainPosition) {
  // For three positions of an edge, the mean square is minimal at their mean and the distance at the middle one.
  const auto edge = [](int position) {
    torch::Tensor x = torch::zeros({1, 1, 8, 8});
    x.narrow(3, position, 8 - position).fill_(1);
    return x;
  };
  const torch::Tensor latent = torch::cat({edge(3), edge(4), edge(5)});
  const auto loss_of = [&](NoiselessLoss loss, const torch::Tensor& end) {
    return energy_loss(noiseless_rollouts(latent, loss), end.expand({3, 1, 8, 8})).item<double>();
  };
  const torch::Tensor mean = latent.mean(0, /*keepdim=*/true);
  EXPECT_LT(loss_of(NoiselessLoss::mse, mean), loss_of(NoiselessLoss::mse, edge(4)));
  EXPECT_LT(loss_of(NoiselessLoss::patch_distance, edge(4)), loss_of(NoiselessLoss::patch_distance, mean));
}

}  // namespace
}  // namespace fmboost::test
