#include "train/optimizer/optimizer.h"

#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "support/compare.h"

namespace fmboost::test {
namespace {

/// The papers' formulas, element by element in float64.
class PlainAdam {
 public:
  PlainAdam(const torch::Tensor& parameter, OptimizerOptions options)
      : x_(parameter.to(torch::kFloat64)), m_(torch::zeros_like(x_)), v_(torch::zeros_like(x_)), o_(options) {}

  void step(const torch::Tensor& gradient, double lr) {
    torch::Tensor g = gradient.to(torch::kFloat64);
    ++t_;
    if (o_.method == "adamw") {
      x_ = x_ * (1 - lr * o_.weight_decay);
    } else {
      g = g + o_.weight_decay * x_;
    }
    m_ = o_.beta1 * m_ + (1 - o_.beta1) * g;
    v_ = o_.beta2 * v_ + (1 - o_.beta2) * g * g;
    const torch::Tensor corrected = m_ / (1 - std::pow(o_.beta1, t_));
    x_ = x_ - lr * corrected / ((v_ / (1 - std::pow(o_.beta2, t_))).sqrt() + o_.eps);
  }
  const torch::Tensor& parameter() const { return x_; }

 private:
  torch::Tensor x_, m_, v_;
  OptimizerOptions o_;
  int t_ = 0;
};

class AdamTest : public testing::TestWithParam<std::tuple<const char*, const char*, double>> {};

TEST_P(AdamTest, MatchesThePaper) {
  const auto& [method, kernels, weight_decay] = GetParam();
  const OptimizerOptions options{.method = method, .lr = 0.01, .weight_decay = weight_decay, .kernels = kernels};
  at::Generator generator = cpu_generator(1);
  std::vector<torch::Tensor> parameters{
      gaussian_noise({5, 3, 3, 3}, generator).contiguous(at::MemoryFormat::ChannelsLast),
      gaussian_noise({17}, generator)};
  std::vector<PlainAdam> expected;
  for (auto& parameter : parameters) {
    expected.emplace_back(parameter, options);
    parameter.requires_grad_();
  }
  Adam adam(parameters, options);
  for (int step = 0; step < 5; ++step) {
    const double lr = options.lr * (step + 1) / 5;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].mutable_grad() =
          torch::empty_like(parameters[i]).copy_(gaussian_noise(parameters[i].sizes(), generator));
      expected[i].step(parameters[i].grad(), lr);
    }
    adam.step(lr);
    adam.clear_gradients();
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(is_close(parameters[i].detach(), expected[i].parameter(), 1e-6));
    EXPECT_FALSE(parameters[i].grad().defined());
  }
  EXPECT_EQ(adam.steps(), 5);
}

INSTANTIATE_TEST_SUITE_P(All, AdamTest,
                         testing::Combine(testing::Values("adam", "adamw"), testing::Values("fused", "foreach"),
                                          testing::Values(0.0, 0.1)));

TEST(Adam, MissingGradientCountsAsZeros) {
  torch::Tensor weight = torch::ones({2}).requires_grad_();
  Adam adam({weight}, {});
  adam.step(0.1);
  EXPECT_TRUE(torch::equal(weight.detach(), torch::ones({2})));
}

TEST(GlobalNorm, CoversAllTensors) {
  EXPECT_DOUBLE_EQ(global_norm({torch::full({4}, 1.0), torch::full({3, 4}, 2.0)}).item<double>(), std::sqrt(52.0F));
}

TEST(ClipGlobalNorm, ScalesOnlyLargeGradients) {
  std::vector<torch::Tensor> large{torch::full({4}, 3.0), torch::full({4}, 4.0)};
  EXPECT_NEAR(clip_global_norm(large, 1.0).item<double>(), 10.0, 1e-6);
  EXPECT_NEAR(global_norm(large).item<double>(), 1.0, 1e-5);
  EXPECT_NEAR(large[1][0].item<double>() / large[0][0].item<double>(), 4.0 / 3.0, 1e-6);
  std::vector<torch::Tensor> small{torch::full({4}, 0.25)};
  EXPECT_NEAR(clip_global_norm(small, 1.0).item<double>(), 0.5, 1e-7);
  EXPECT_TRUE(torch::equal(small[0], torch::full({4}, 0.25)));
}

TEST(OptimizerOptions, ValuesOutOfRangeAreRefused) {
  EXPECT_THROW(OptimizerOptions{.method = "sgd"}.check(), UsageError);
  EXPECT_THROW(OptimizerOptions{.kernels = "slow"}.check(), UsageError);
  EXPECT_THROW(OptimizerOptions{.lr = 0}.check(), UsageError);
  EXPECT_THROW(OptimizerOptions{.beta2 = 1}.check(), UsageError);
  EXPECT_THROW(OptimizerOptions{.eps = 0}.check(), UsageError);
  EXPECT_THROW(OptimizerOptions{.weight_decay = -1}.check(), UsageError);
}

}  // namespace
}  // namespace fmboost::test
