#include "train/training_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/core/placement.h"

#include "nn/cfm/cfm_unet.h"
#include "support/compare.h"
#include "toy_pairs.h"
#include "train/autocast.h"

namespace fmboost::test {
namespace {

using testing::HasSubstr;

// Layers initialized to zero would hide errors in the gradients of all others, and biases before norms with one channel
// per group have gradients that consist of rounding errors.
TrainingState randomized_state(TrainOptions options) {
  options.network.model_channels = 64;
  TrainingState state(options, torch::kCPU);
  const torch::NoGradGuard no_grad;
  std::uint64_t seed = 0;
  for (auto parameter : state.parameters()) {
    at::Generator generator = cpu_generator(++seed);
    parameter.add_(gaussian_noise(parameter.sizes(), generator), 0.02);
  }
  return state;
}

FlowNoise draw_for(const TrainingState& state, const LatentBatch& batch) {
  return draw_flow_noise(state.options().flow, batch.latent.sizes(), state.options().seed, batch.numbers);
}

double run_batch(TrainingState& state, const std::vector<std::int64_t>& numbers) {
  const LatentBatch batch = batch_of(NoisePairs(16), numbers);
  return state.backward(batch, draw_for(state, batch)).item<double>();
}

void expect_same_gradients(const TrainingState& one, const TrainingState& other, double tolerance) {
  const auto a = one.gradients();
  const auto b = other.gradients();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(is_close(a[i], b[i], tolerance)) << i;
  }
}

TEST(TrainingState, InitialWeightsDependOnlyOnTheSeed) {
  TrainOptions options = small_training();
  const TrainingState one(options, torch::kCPU);
  const TrainingState same(options, torch::kCPU);
  options.seed = 43;
  const TrainingState other(options, torch::kCPU);
  const auto first = [](const TrainingState& state) { return state.parameters().front(); };
  EXPECT_TRUE(torch::equal(first(one), first(same)));
  EXPECT_FALSE(torch::equal(first(one), first(other)));
}

TEST(TrainingState, AccumulatedBatchesGiveTheGradientsOfALargeBatch) {
  TrainOptions options = small_training();
  TrainingState whole = randomized_state(options);
  options.accumulate = 2;
  TrainingState parts = randomized_state(options);
  const double loss = run_batch(whole, {3, 4, 5, 6});
  const double mean = (run_batch(parts, {3, 4}) + run_batch(parts, {5, 6})) / 2;
  EXPECT_NEAR(mean, loss, 1e-6 * loss);
  expect_same_gradients(parts, whole, 1e-5);
}

TEST(TrainingState, ChannelsLastEqualsContiguous) {
  TrainOptions options = small_training();
  options.memory_format = "channels-last";
  TrainingState last = randomized_state(options);
  options.memory_format = "contiguous";
  TrainingState first = randomized_state(options);
  EXPECT_TRUE(last.parameters()[4].is_contiguous(at::MemoryFormat::ChannelsLast));
  const double loss = run_batch(first, {0, 1});
  EXPECT_NEAR(run_batch(last, {0, 1}), loss, 1e-6 * loss);
  expect_same_gradients(last, first, 2e-5);
}

TEST(TrainingState, MixedPrecisionIsCloseAndKeepsFloat32Weights) {
  TrainOptions options = small_training();
  TrainingState exact = randomized_state(options);
  options.precision = "bf16-mixed";
  TrainingState mixed = randomized_state(options);
  const double loss = run_batch(exact, {0, 1});
  const double near = run_batch(mixed, {0, 1});
  EXPECT_NE(near, loss);
  EXPECT_NEAR(near, loss, 0.02 * loss);
  for (const auto& gradient : mixed.gradients()) {
    EXPECT_EQ(gradient.scalar_type(), torch::kFloat32);
  }
}

TEST(TrainingState, StepUpdatesWeightsAndAverageAndRemovesGradients) {
  TrainingState state(small_training(), torch::kCPU);
  const torch::Tensor before = state.parameters().back().detach().clone();
  for (int i = 0; i < 3; ++i) {
    run_batch(state, {0, 1});
    EXPECT_GT(state.step(/*measure_norm=*/true).item<double>(), 0.0);
  }
  EXPECT_EQ(state.steps_done(), 3);
  EXPECT_EQ(state.ema_updates(), 3);
  const torch::Tensor after = state.parameters().back().detach();
  const torch::Tensor average = state.ema_network().parameters().back();
  EXPECT_FALSE(torch::equal(after, before));
  EXPECT_FALSE(torch::equal(average, before));
  EXPECT_FALSE(torch::equal(average, after));
  EXPECT_FALSE(state.parameters().back().grad().defined());
}

// After the first step, Adam's first moments are a tenth of the gradients.
double norm_given_to_adam(const TrainingState& state) {
  std::vector<torch::Tensor> moments;
  for (const auto& [name, tensor] : state.tensors()) {
    if (name.rfind("exp_avg.", 0) == 0) {
      moments.push_back(tensor * 10);
    }
  }
  return global_norm(moments).item<double>();
}

TEST(TrainingState, GradientsAreClipped) {
  TrainOptions options = small_training();
  TrainingState free = randomized_state(options);
  options.clip_norm = 1e-3;
  TrainingState clipped = randomized_state(options);
  run_batch(free, {0});
  run_batch(clipped, {0});
  EXPECT_FALSE(free.step(/*measure_norm=*/false).defined());
  const double norm = clipped.step(/*measure_norm=*/false).item<double>();
  EXPECT_GT(norm, 1e-2);
  EXPECT_NEAR(norm_given_to_adam(free), norm, 1e-5 * norm);
  EXPECT_NEAR(norm_given_to_adam(clipped), 1e-3, 1e-6);
}

TEST(TrainingState, LearningRateFollowsTheSchedule) {
  TrainOptions options = small_training();
  options.schedule.warmup_steps = 4;
  TrainingState state(options, torch::kCPU);
  std::vector<double> rates;
  for (int i = 0; i < 6; ++i) {
    rates.push_back(state.learning_rate());
    state.step(false);
  }
  EXPECT_THAT(rates, testing::Pointwise(testing::DoubleEq(), {0.0, 2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3}));
}

std::string message(LatentBatch batch) {
  try {
    TrainingState(small_training(), torch::kCPU).check(batch);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TrainingState, BatchThatDoesNotFitIsNamed) {
  LatentBatch batch = batch_of(NoisePairs(1), {0});
  EXPECT_EQ(message(batch), "");
  batch.latent = torch::zeros({1, 4, 9, 8});
  EXPECT_THAT(message(batch), testing::AllOf(HasSubstr("'pair-0'"), HasSubstr("9x8"), HasSubstr("multiples of 2")));
  batch.latent = torch::zeros({1, 16, 8, 8});
  EXPECT_THAT(message(batch), testing::AllOf(HasSubstr("'pair-0'"), HasSubstr("another autoencoder")));
}

TEST(TrainOptions, AutoPrecisionIsTheFasterOne) {
  EXPECT_EQ(TrainOptions{}.precision, "auto");
  EXPECT_EQ(resolve_precision("auto", torch::kCPU), cpu_has_fast_bfloat16() ? "bf16-mixed" : "float32");
  EXPECT_EQ(resolve_precision("auto", torch::kCUDA), "bf16-mixed");
  for (const auto* precision : {"bf16-mixed", "float32"}) {
    EXPECT_EQ(resolve_precision(precision, torch::kCPU), precision);
    EXPECT_EQ(resolve_precision(precision, torch::kCUDA), precision);
  }
}

TEST(TrainOptions, ValuesOutOfRangeAreRefused) {
  const auto refused = [](auto change) {
    TrainOptions options = small_training();
    change(options);
    EXPECT_THROW(options.check(), UsageError);
  };
  refused([](TrainOptions& o) { o.clip_norm = -1; });
  refused([](TrainOptions& o) { o.accumulate = 0; });
  refused([](TrainOptions& o) { o.precision = "float16"; });
  refused([](TrainOptions& o) { o.memory_format = "nhwc"; });
  refused([](TrainOptions& o) { o.batch_size = 0; });
  refused([](TrainOptions& o) { o.steps = 0; });
  refused([](TrainOptions& o) { o.network.in_channels = 4; });
}

}  // namespace
}  // namespace fmboost::test
