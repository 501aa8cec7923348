#include "train/loss/flow_loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <numbers>
#include <numeric>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "toy_pairs.h"

namespace fmboost::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

TEST(DrawFlowNoise, DependsOnlyOnSeedAndSampleNumber) {
  const FlowLossOptions options{.sigma_min = 0.1};
  const FlowNoise together = draw(options, {5, 6, 7});
  const FlowNoise alone = draw(options, {6});
  EXPECT_TRUE(torch::equal(together.t[1], alone.t[0]));
  EXPECT_TRUE(torch::equal(together.start[1], alone.start[0]));
  EXPECT_TRUE(torch::equal(together.path[1], alone.path[0]));
  EXPECT_FALSE(torch::equal(together.start[0], together.start[1]));
  EXPECT_FALSE(torch::equal(together.start[0], together.path[0]));
  EXPECT_FALSE(torch::equal(draw(options, {6}, 4).start, alone.start));
}

TEST(DrawFlowNoise, TimesAreUniformAndNoiseIsNormal) {
  std::vector<std::int64_t> numbers(4000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const FlowNoise many = draw_flow_noise({}, {4000, 1, 2, 2}, 1, numbers);
  EXPECT_GE(many.t.min().item<double>(), 0.0);
  EXPECT_LT(many.t.max().item<double>(), 1.0);
  EXPECT_NEAR(many.t.mean().item<double>(), 0.5, 0.015);
  EXPECT_NEAR(many.t.var().item<double>(), 1.0 / 12, 0.004);
  EXPECT_NEAR(many.start.mean().item<double>(), 0.0, 0.03);
  EXPECT_NEAR(many.start.std().item<double>(), 1.0, 0.02);
}

TEST(DrawFlowNoise, DrawsOnlyWhatTheOptionsNeed) {
  const FlowNoise noiseless = draw({.noising_step = 0}, {0});
  EXPECT_FALSE(noiseless.start.defined() || noiseless.path.defined() || noiseless.upsampling.defined());
  EXPECT_TRUE(draw({.noising_step = 0, .start_from_noise = true}, {0}).start.defined());
  EXPECT_TRUE(draw({.upsampling = Upsampling::noise_upsampling}, {0}).upsampling.defined());
}

// The drawn noising steps, recovered from their alpha_bar.
std::vector<int> drawn_steps(const FlowNoise& noise) {
  std::vector<int> steps;
  for (std::int64_t i = 0; i < noise.alpha_bar.size(0); ++i) {
    steps.push_back(noising_alpha_bar().eq(noise.alpha_bar[i]).nonzero()[0].item<int>());
  }
  return steps;
}

TEST(DrawFlowNoise, NoisingStepsAreUniformAndIncludeBothEnds) {
  std::vector<std::int64_t> numbers(4000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const FlowNoise many = draw_flow_noise({.noising_step = 100, .noising_step_max = 119}, {4000, 1, 2, 2}, 1, numbers);
  std::map<int, int> counts;
  for (const int step : drawn_steps(many)) {
    ++counts[step];
  }
  EXPECT_EQ(counts.size(), 20);
  EXPECT_EQ(counts.begin()->first, 100);
  EXPECT_EQ(counts.rbegin()->first, 119);
  for (const auto& [step, count] : counts) {
    EXPECT_NEAR(count, 200, 60) << step;  // 4.4 standard deviations
  }
}

TEST(DrawFlowNoise, OnlyTheNoisingShareDrawsItsStep) {
  std::vector<std::int64_t> numbers(4000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto steps = [&](double share) {
    return draw_flow_noise({.noising_step = 0, .noising_step_max = 400, .noising_share = share}, {4000, 1, 1, 1}, 1,
                           numbers)
        .alpha_bar;
  };
  const torch::Tensor least = noising_alpha_bar()[0];
  const torch::Tensor some = steps(0.3);
  EXPECT_NEAR((some != least).to(torch::kFloat64).mean().item<double>(), 0.3, 0.03);
  EXPECT_TRUE(torch::equal(steps(0.0), least.expand({4000})));
  // The samples that draw get the same steps as if all did.
  EXPECT_TRUE(torch::equal(some.masked_select(some != least), steps(1.0).masked_select(some != least)));
}

TEST(FlowLossOptions, WarnsOfLeakedTargetsAndOfRemainingNoise) {
  EXPECT_THAT((FlowLossOptions{.noising_step = 0}).warning(), EndsWith("use `sigma_min` 0.1"));
  EXPECT_THAT((FlowLossOptions{.sigma_min = 0.1, .noising_step = 0, .noising_step_max = 300}).warning(),
              AllOf(HasSubstr("grain"), EndsWith("use `sigma_min` 0")));
  for (const FlowLossOptions& sound : {FlowLossOptions{}, FlowLossOptions{.sigma_min = 0.1, .noising_step = 0},
                                       FlowLossOptions{.noising_step = 0, .noising_step_max = 300},
                                       FlowLossOptions{.start_from_noise = true, .with_context = false}}) {
    EXPECT_EQ(sound.warning(), "");
  }
}

TEST(DrawFlowNoise, NoisingStepDependsOnlyOnSeedAndSampleNumber) {
  const FlowLossOptions options{.noising_step = 0, .noising_step_max = 999};
  const FlowNoise together = draw(options, {5, 6, 7});
  EXPECT_EQ(drawn_steps(together)[1], drawn_steps(draw(options, {6}))[0]);
  EXPECT_NE(drawn_steps(together)[0], drawn_steps(together)[1]);
  EXPECT_NE(drawn_steps(draw(options, {6}, 4)), drawn_steps(draw(options, {6})));
}

TEST(DrawFlowNoise, RangeOfStepsDoesNotChangeOtherValues) {
  const FlowNoise fixed = draw({.noising_step = 400}, {5, 6});
  const FlowNoise ranged = draw({.noising_step = 0, .noising_step_max = 400}, {5, 6});
  EXPECT_TRUE(torch::equal(ranged.t, fixed.t));
  EXPECT_TRUE(torch::equal(ranged.start, fixed.start));
  EXPECT_EQ(ranged.dropout_seed, fixed.dropout_seed);
  EXPECT_FALSE(fixed.alpha_bar.defined());
}

TEST(MakeFlowBatch, RangeOfOneStepEqualsThatStep) {
  const LatentBatch batch = batch_of(NoisePairs(2), {0, 1});
  for (const int step : {-1, 0, 400}) {
    const FlowLossOptions fixed{.noising_step = step};
    const FlowLossOptions ranged{.noising_step = step, .noising_step_max = step};
    EXPECT_FALSE(ranged.draws_noising_step());
    const FlowBatch expected = make_flow_batch(fixed, batch, draw(fixed, {0, 1}));
    const FlowBatch found = make_flow_batch(ranged, batch, draw(ranged, {0, 1}));
    EXPECT_TRUE(torch::equal(found.x, expected.x)) << step;
    EXPECT_TRUE(torch::equal(found.velocity, expected.velocity)) << step;
  }
}

TEST(MakeFlowBatch, EverySampleStartsAtItsOwnNoisingStep) {
  const LatentBatch batch = batch_of(NoisePairs(3), {0, 1, 2});
  const FlowLossOptions options{.noising_step = -1, .noising_step_max = 999};
  const FlowNoise noise = draw(options, {0, 1, 2});
  const FlowBatch flow = make_flow_batch(options, batch, noise);
  const std::vector<int> steps = drawn_steps(noise);
  for (std::int64_t i = 0; i < 3; ++i) {
    const torch::Tensor x0 = noised_start(batch.context[i], noise.start[i], steps[static_cast<std::size_t>(i)]);
    EXPECT_TRUE(is_close(flow.velocity[i], batch.latent[i] - x0, 1e-6)) << i;
  }
}

TEST(MakeFlowBatch, LinearPathStartsAtTheNoisedContext) {
  const LatentBatch batch = batch_of(NoisePairs(2), {0, 1});
  const FlowLossOptions options{.sigma_min = 0.01};
  const FlowNoise noise = draw(options, {0, 1});
  const FlowBatch flow = make_flow_batch(options, batch, noise);
  const double a = noising_alpha_bar()[400].item<double>();
  const torch::Tensor x0 = std::sqrt(a) * batch.context + std::sqrt(1 - a) * noise.start;
  const torch::Tensor t = noise.t.reshape({2, 1, 1, 1});
  EXPECT_TRUE(is_close(flow.x, t * batch.latent + (1 - t) * x0 + 0.01 * noise.path, 1e-6));
  EXPECT_TRUE(is_close(flow.velocity, batch.latent - x0, 1e-6));
  EXPECT_TRUE(torch::equal(flow.context, batch.context));
}

TEST(MakeFlowBatch, GvpPathStartsAtPureNoise) {
  const LatentBatch batch = batch_of(NoisePairs(2), {0, 1});
  const FlowLossOptions options{.path = PathKind::gvp, .start_from_noise = true, .with_context = false};
  const FlowNoise noise = draw(options, {0, 1});
  const FlowBatch flow = make_flow_batch(options, batch, noise);
  const torch::Tensor angle = noise.t.reshape({2, 1, 1, 1}) * (std::numbers::pi / 2);
  EXPECT_TRUE(is_close(flow.x, angle.sin() * batch.latent + angle.cos() * noise.start, 1e-6));
  EXPECT_TRUE(
      is_close(flow.velocity, std::numbers::pi / 2 * (angle.cos() * batch.latent - angle.sin() * noise.start), 1e-6));
  EXPECT_FALSE(flow.context.defined());
}

TEST(MakeFlowBatch, SmallContextsAreUpscaled) {
  LatentBatch batch = batch_of(NoisePairs(1), {0});
  batch.context = torch::avg_pool2d(batch.context, 2);
  for (const auto kind : {Upsampling::latent, Upsampling::latent_nearest, Upsampling::noise_upsampling}) {
    const FlowLossOptions options{.upsampling = kind, .noising_step = 0};
    const FlowNoise noise = draw(options, {0});
    const FlowBatch flow = make_flow_batch(options, batch, noise);
    const torch::Tensor upscaled = upsample_latent(batch.context, kind, 8, 8, noise.upsampling);
    EXPECT_TRUE(torch::equal(flow.context, upscaled));
    EXPECT_TRUE(is_close(flow.velocity, batch.latent - upscaled, 1e-6));
  }
}

std::string message(const FlowLossOptions& options, const LatentBatch& batch) {
  try {
    make_flow_batch(options, batch, draw(options, {0}));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(MakeFlowBatch, ContextOfWrongSizeIsNamed) {
  LatentBatch batch = batch_of(NoisePairs(1), {0});
  EXPECT_THAT(message({.upsampling = Upsampling::latent}, batch), HasSubstr("'pair-0'"));
  batch.context = torch::avg_pool2d(batch.context, 2);
  EXPECT_THAT(message({}, batch), HasSubstr("'pair-0'"));
}

TEST(FlowMatchingLoss, IsTheMeanSquare) {
  const torch::Tensor velocity = torch::zeros({1, 1, 2, 2});
  const torch::Tensor predicted = torch::tensor({1.0, 2.0, 3.0, 4.0}).reshape({1, 1, 2, 2}).to(torch::kBFloat16);
  const torch::Tensor loss = flow_matching_loss(predicted, velocity);
  EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
  EXPECT_DOUBLE_EQ(loss.item<double>(), 7.5);
}

TEST(FlowLossOptions, ValuesOutOfRangeAreRefused) {
  EXPECT_THROW(FlowLossOptions{.noising_step = 1000}.check(), UsageError);
  EXPECT_THROW((FlowLossOptions{.noising_step_max = 1000}.check()), UsageError);
  EXPECT_THROW((FlowLossOptions{.noising_step = 400, .noising_step_max = 399}.check()), UsageError);
  EXPECT_THROW((FlowLossOptions{.noising_step_max = 500, .start_from_noise = true}.check()), UsageError);
  EXPECT_THROW((FlowLossOptions{.noising_share = 1.1}.check()), UsageError);
  EXPECT_THROW((FlowLossOptions{.noising_share = -0.1}.check()), UsageError);
  EXPECT_NO_THROW((FlowLossOptions{.noising_step = 400, .noising_step_max = 400}.check()));
  EXPECT_THROW(FlowLossOptions{.sigma_min = -0.1}.check(), UsageError);
  EXPECT_THROW((FlowLossOptions{.path = PathKind::gvp, .sigma_min = 0.1}.check()), UsageError);
}

}  // namespace
}  // namespace fmboost::test
