#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "chain.h"
#include "support/compare.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

class SdeFlow : public testing::TestWithParam<const char*> {
 protected:
  SdeFlow() { flow_.noising_step = 400; }

  // The latent at the end of the flow.
  torch::Tensor run(std::uint64_t seed = 42) {
    ModelComponents components(files_.open(), {torch::kCPU, torch::kFloat32});
    auto generator = cpu_generator(1);
    const torch::Tensor pixels = upsample_bilinear(gaussian_noise({1, 3, 3, 4}, generator), 24, 40).clamp(-1, 1);
    torch::Tensor latent;
    const UpscalePlan plan = test::plan_chain(components, pixels, {2}, flow_);
    const auto keep = [&](const std::string& name, const torch::Tensor& x) {
      if (name == "high_latent-0") {
        latent = x.clone();
      }
    };
    UpscaleChain(components, tiles_).run(plan, {pixels, {}}, seed, {.progress = {}, .intermediate = keep});
    return latent;
  }
  std::string refusal() {
    return thrown<UsageError>([&] { resolve_coupling(files_.open().manifest(), 2, flow_, ImageSource::external); });
  }

  test::TinyBundle files_;
  FlowOptions flow_;
  TileOptions tiles_{.automatic = false};
};

TEST_P(SdeFlow, RepeatsForASeedAndVariesWithIt) {
  flow_.solver = GetParam();
  flow_.steps = 5;
  const torch::Tensor first = run(1);
  EXPECT_TRUE(torch::equal(run(1), first));
  EXPECT_GT(test::compare(run(2), first).error, 0.05);
}

TEST_P(SdeFlow, AddsNoiseThatAnOdeDoesNot) {
  flow_.steps = 5;
  flow_.solver = "euler";
  const torch::Tensor ode = run();
  flow_.solver = GetParam();
  const torch::Tensor sde = run();
  EXPECT_GT(test::compare(sde, ode).error, 0.05);
  flow_.diffusion_form = DiffusionForm::decreasing;
  EXPECT_GT(test::compare(run(), sde).error, 0.01);
}

// With a norm of 0 the equation is that of the ODE: the start, its mean and its scale are the same.
TEST_P(SdeFlow, SolvesTheOdeWithoutDiffusion) {
  flow_.solver = "rk4";
  flow_.steps = 50;
  const torch::Tensor ode = run();
  flow_.solver = GetParam();
  flow_.steps = 400;
  flow_.diffusion_norm = 0;
  EXPECT_LT(test::compare(run(), ode).error, 0.02);
}

TEST_P(SdeFlow, DoesNotDependOnTheTiles) {
  flow_.solver = GetParam();
  flow_.steps = 3;
  const torch::Tensor whole = run();
  tiles_ = {.automatic = false, .size = 64, .overlap = 16};
  EXPECT_LT(test::compare(run(), whole).error, 1e-3);
}

TEST_P(SdeFlow, CanBeTheDefaultOfABundle) {
  flow_.solver = GetParam();
  flow_.diffusion_form = DiffusionForm::linear;
  flow_.diffusion_norm = 0.5;
  flow_.steps = 3;
  const torch::Tensor chosen = run();
  files_.manifest["couplings"][0].update(
      {{"solver", GetParam()}, {"steps", 3}, {"diffusion_form", "linear"}, {"diffusion_norm", 0.5}});
  files_.write();
  flow_ = {.noising_step = 400};
  EXPECT_TRUE(torch::equal(run(), chosen));
}

TEST_P(SdeFlow, NeedsTwoStepsAndNoiseAtTheStart) {
  flow_.solver = GetParam();
  flow_.steps = 1;
  EXPECT_THAT(refusal(), AllOf(HasSubstr(GetParam()), HasSubstr("2 to 1000 steps, not 1")));
  flow_.steps = 4;
  flow_.diffusion_norm = -1;
  EXPECT_THAT(refusal(), HasSubstr("diffusion norm"));
  flow_.diffusion_norm = 1;
  flow_.noising_step = 0;
  EXPECT_THAT(refusal(), HasSubstr("needs noise at the start: use `flow_noise` above 0"));
  flow_ = {.solver = "euler", .diffusion_form = DiffusionForm::constant};
  EXPECT_THAT(refusal(), HasSubstr("`flow_diffusion`"));
}

INSTANTIATE_TEST_SUITE_P(Pipeline, SdeFlow, testing::Values("sde-euler", "sde-heun"),
                         [](const auto& test) { return std::string(test.param) == "sde-euler" ? "euler" : "heun"; });

}  // namespace
}  // namespace fmboost
