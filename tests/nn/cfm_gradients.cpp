#include <gtest/gtest.h>

#include "nn/cfm/cfm_unet.h"

namespace fmboost {
namespace {

/// A network of the smallest size in float64, and a loss that weighs every number of its output.
class CfmGradients : public testing::TestWithParam<const char*> {
 protected:
  CfmGradients() {
    const std::string name = GetParam();
    CfmUnetOptions options;
    options.model_channels = 32;
    options.num_res_blocks = 1;
    options.attention_resolutions = {1};
    options.channel_mult = {1, 1};
    options.dim_head = 4;
    options.num_heads = 2;
    options.use_linear_attn = name != "softmax";
    options.use_scale_shift_norm = name != "additive";
    options.pool_factor = name == "pooled" ? 2 : -1;
    torch::manual_seed(3);
    network_ = CfmUnet(options);
    network_->to(torch::kFloat64);
    for (auto& parameter : network_->parameters()) {
      parameter.data().add_(0.1 * torch::randn_like(parameter));
    }
    const auto side = options.size_multiple() * 2;
    const auto f64 = torch::TensorOptions(torch::kFloat64).requires_grad(true);
    x_ = torch::randn({2, 4, side, side}, f64);
    context_ = torch::randn({2, 4, side, side}, f64);
    t_ = torch::rand({2}, f64);
    weights_ = torch::randn({2, 4, side, side}, torch::kFloat64);
  }

  torch::Tensor loss() { return (network_->forward(x_, t_, context_) * weights_).sum(); }

  // The derivative along a random direction within one tensor, both ways.
  void compare(const std::string& name, torch::Tensor tensor) {
    const torch::NoGradGuard no_grad;
    torch::Tensor direction = torch::randn_like(tensor);
    direction /= direction.norm();
    const double analytical = (tensor.grad() * direction).sum().item<double>();
    constexpr double kStep = 1e-5;
    tensor.add_(direction, kStep);
    const double above = loss().item<double>();
    tensor.sub_(direction, 2 * kStep);
    const double below = loss().item<double>();
    tensor.add_(direction, kStep);
    const double numerical = (above - below) / (2 * kStep);
    const double size = tensor.grad().norm().item<double>();
    EXPECT_GT(size, 0) << name;
    EXPECT_NEAR(analytical, numerical, 1e-6 * size + 1e-7) << name;
  }

  CfmUnet network_ = nullptr;
  torch::Tensor x_, context_, t_, weights_;
};

TEST_P(CfmGradients, MatchFiniteDifferences) {
  loss().backward();
  compare("x", x_);
  compare("context", context_);
  compare("t", t_);
  for (const auto& item : network_->named_parameters()) {
    compare(item.key(), item.value());
  }
}

INSTANTIATE_TEST_SUITE_P(Cfm, CfmGradients, testing::Values("linear", "softmax", "additive", "pooled"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace fmboost
