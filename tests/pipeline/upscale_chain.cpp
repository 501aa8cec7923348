#include "fmboost/pipeline/upscale_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/pipeline/back_projection.h"

#include "chain.h"
#include "support/compare.h"
#include "support/scripted_program.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using test::TinyBundle;
using testing::AllOf;
using testing::HasSubstr;
using Factors = std::vector<std::int64_t>;

torch::Tensor smooth_image(std::int64_t height, std::int64_t width) {
  auto generator = cpu_generator(1);
  return upsample_bilinear(gaussian_noise({1, 3, 3, 4}, generator), height, width).clamp(-1, 1);
}

// The tiny bundle's result without velocity and noise: the mean of every 4 x 4 upscaled pixels.
torch::Tensor blocks(const torch::Tensor& upscaled) {
  return at::avg_pool2d(upscaled, {4, 4}).repeat_interleave(4, 2).repeat_interleave(4, 3);
}

constexpr TileOptions kWhole{.automatic = false};

class UpscaleChainRun : public testing::Test {
 protected:
  torch::Tensor run(const torch::Tensor& pixels, const Factors& factors, std::optional<Size> target = {},
                    std::uint64_t seed = 42, torch::ScalarType dtype = torch::kFloat32) {
    ModelComponents components(files_.open(), {torch::kCPU, dtype});
    const UpscalePlan plan = test::plan_chain(components, pixels, factors, flow_, target, fit_);
    return UpscaleChain(components, tiles_).run(plan, {pixels, {}}, seed, hooks_);
  }
  void without_motion() {
    files_.stop_velocity();
    flow_.noising_step = 0;
  }

  TinyBundle files_;
  FlowOptions flow_;
  TileOptions tiles_ = kWhole;
  SizeFit fit_ = SizeFit::scale;
  Hooks hooks_;
};

TEST_F(UpscaleChainRun, UpscalesEncodesAndDecodes) {
  without_motion();
  const torch::Tensor pixels = smooth_image(12, 20);
  EXPECT_TRUE(is_close(run(pixels, {2}), blocks(upsample_bilinear(pixels, 24, 40)), 1e-5));
  EXPECT_TRUE(is_close(run(pixels, {4}), blocks(upsample_bilinear(pixels, 48, 80)), 1e-5));
}

TEST_F(UpscaleChainRun, RunsCouplingsOneAfterAnother) {
  without_motion();
  const torch::Tensor pixels = smooth_image(12, 20);
  const torch::Tensor once = run(pixels, {2});
  EXPECT_TRUE(is_close(run(pixels, {2, 2}), run(once, {2}), 1e-6));
  EXPECT_EQ(run(pixels, {4, 2}).sizes(), at::IntArrayRef({1, 3, 96, 160}));
}

TEST_F(UpscaleChainRun, ResultHasExactlyTheTargetSize) {
  for (const Size& target : {Size{1, 1}, Size{3, 2}, Size{31, 17}, Size{40, 24}, Size{37, 21}, Size{2, 61}}) {
    const torch::Tensor pixels = smooth_image((target.height + 1) / 2, (target.width + 1) / 2);
    const torch::Tensor result = run(pixels, {2}, target);
    EXPECT_EQ(result.sizes(), at::IntArrayRef({1, 3, target.height, target.width})) << to_string(target);
    EXPECT_TRUE(result.isfinite().all().item<bool>());
  }
}

TEST_F(UpscaleChainRun, KeepsFlatImagesFlatUpToTheEdge) {
  without_motion();
  for (const auto upsampling : {Upsampling::pixel, Upsampling::latent, Upsampling::latent_nearest}) {
    flow_.upsampling = upsampling;
    const torch::Tensor result = run(torch::full({1, 3, 9, 14}, 0.5), {2}, Size{27, 17});
    EXPECT_TRUE(is_close(result, torch::full({1, 3, 17, 27}, 0.5), 1e-5)) << enum_name(upsampling);
  }
}

TEST_F(UpscaleChainRun, CropsTheCenterOfTheProduct) {
  const torch::Tensor pixels = smooth_image(12, 20);
  const torch::Tensor product = run(pixels, {2});
  fit_ = SizeFit::crop;
  EXPECT_TRUE(torch::equal(run(pixels, {2}, Size{35, 20}), product.slice(2, 2, 22).slice(3, 2, 37)));
  EXPECT_TRUE(torch::equal(run(pixels, {}, Size{18, 7}), pixels.slice(2, 2, 9).slice(3, 1, 19))) << "no couplings";
}

TEST_F(UpscaleChainRun, ProjectsBackOntoTheInputAsTheLastCouplingAsks) {
  files_.manifest["couplings"][0]["back_projection"] = 3;
  files_.manifest["couplings"][1]["back_projection"] = 9;
  files_.write();
  const torch::Tensor pixels = smooth_image(12, 20);
  ModelComponents components(files_.open(), {});
  UpscalePlan plan = test::plan_chain(components, pixels, {4, 2});
  const torch::Tensor plain = UpscaleChain(components, tiles_).run(plan, {pixels, {}}, 1);
  plan.couplings = resolve_couplings(components.manifest(), {4, 2}, {}, ImageSource::external);
  const torch::Tensor projected = UpscaleChain(components, tiles_).run(plan, {pixels, {}}, 1);
  EXPECT_TRUE(torch::equal(projected, back_project(plain, pixels, 3)));
}

TEST_F(UpscaleChainRun, RepeatsItselfForASeedAndVariesWithIt) {
  const torch::Tensor pixels = smooth_image(12, 20);
  const torch::Tensor first = run(pixels, {2}, {}, 1);
  EXPECT_TRUE(torch::equal(run(pixels, {2}, {}, 1), first));
  EXPECT_GT(test::compare(run(pixels, {2}, {}, 2), first).error, 0.05);
  flow_.noising_step = 0;  // no noise, no seed
  EXPECT_TRUE(torch::equal(run(pixels, {2}, {}, 1), run(pixels, {2}, {}, 2)));
}

TEST_F(UpscaleChainRun, DrawsDifferentNoiseForEveryCoupling) {
  files_.stop_velocity();
  flow_.noising_step = 999;
  const torch::Tensor flat = torch::zeros({1, 3, 12, 20});
  std::map<std::string, torch::Tensor> seen;
  hooks_.intermediate = [&](const std::string& name, const torch::Tensor& x) { seen[name] = x.flatten(); };
  run(flat, {2, 2});
  ASSERT_TRUE(seen.contains("high_latent-0") && seen.contains("high_latent-1"));
  const std::int64_t shared = std::min(seen["high_latent-0"].numel(), seen["high_latent-1"].numel());
  EXPECT_FALSE(torch::allclose(seen["high_latent-0"].slice(0, 0, shared), seen["high_latent-1"].slice(0, 0, shared)));
  EXPECT_NEAR(seen["high_latent-0"].std().item<double>(), 1, 0.15);
}

TEST_F(UpscaleChainRun, NoiseFieldDoesNotDependOnTiles) {
  files_.stop_velocity();
  const torch::Tensor pixels = smooth_image(48, 60);
  const torch::Tensor whole = run(pixels, {2});
  tiles_ = {.automatic = false, .size = 64, .overlap = 16};
  EXPECT_TRUE(is_close(run(pixels, {2}), whole, 1e-5));
}

TEST_F(UpscaleChainRun, ReportsLatentsAndProgress) {
  std::set<std::string> names;
  hooks_.intermediate = [&](const std::string& name, const torch::Tensor& x) {
    names.insert(name);
    EXPECT_EQ(x.size(1), 4);
  };
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> progress;
  hooks_.progress = [&](const std::string& stage, std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, progress[stage].first);
    EXPECT_LE(done, total);
    progress[stage] = {done, total};
  };
  flow_.steps = 3;
  run(smooth_image(12, 20), {2, 2});
  EXPECT_EQ(names, (std::set<std::string>{"context-0", "high_latent-0", "context-1", "high_latent-1"}));
  EXPECT_EQ(progress.size(), 2U);
  EXPECT_EQ(progress["flow 1"], (std::pair<std::int64_t, std::int64_t>{3, 3}));
  EXPECT_EQ(progress["flow 2"], (std::pair<std::int64_t, std::int64_t>{3, 3}));
}

TEST_F(UpscaleChainRun, FlowOptionsOverrideTheBundle) {
  const torch::Tensor pixels = smooth_image(12, 20);
  const torch::Tensor usual = run(pixels, {2});
  flow_ = {.steps = 2, .solver = "euler", .noising_step = 400, .upsampling = Upsampling::pixel};  // as in the bundle
  EXPECT_TRUE(torch::equal(run(pixels, {2}), usual));
  for (const FlowOptions& other : {FlowOptions{.steps = 3}, FlowOptions{.solver = "midpoint"},
                                   FlowOptions{.noising_step = 100}, FlowOptions{.upsampling = Upsampling::latent}}) {
    flow_ = other;
    EXPECT_FALSE(torch::equal(run(pixels, {2}), usual));
  }
}

TEST_F(UpscaleChainRun, StartsFromNoiseIfTheCouplingDoes) {
  files_.manifest["couplings"][0]["start_from_noise"] = true;
  files_.stop_velocity();
  torch::Tensor seen;
  hooks_.intermediate = [&](const std::string& name, const torch::Tensor& x) {
    if (name == "high_latent-0") {
      seen = x;
    }
  };
  run(torch::full({1, 3, 12, 20}, 1.0), {2});
  ASSERT_TRUE(seen.defined());
  EXPECT_NEAR(seen.mean().item<double>(), 0, 0.2);
  EXPECT_NEAR(seen.std().item<double>(), 1, 0.15);
}

TEST_F(UpscaleChainRun, StartsFromTheLatentIfThereIsOne) {
  without_motion();
  flow_.upsampling = Upsampling::latent_nearest;
  ModelComponents components(files_.open(), {});
  auto generator = cpu_generator(4);
  const torch::Tensor latent = gaussian_noise({1, 4, 3, 5}, generator);
  const torch::Tensor pixels = components.autoencoder(torch::kFloat32).decode(latent);
  const UpscalePlan plan = test::plan_chain(components, pixels, {2}, flow_);
  const torch::Tensor result = UpscaleChain(components, tiles_).run(plan, {pixels, latent}, 1);
  EXPECT_TRUE(is_close(result, pixels.repeat_interleave(2, 2).repeat_interleave(2, 3), 1e-5));
}

TEST_F(UpscaleChainRun, LatentUpsamplingBelowTheTargetIsRejected) {
  flow_.upsampling = Upsampling::identity;
  EXPECT_THAT(thrown<UsageError>([&] { run(smooth_image(12, 20), {2}); }),
              AllOf(HasSubstr("`upsampling` identity gives 20x12"), HasSubstr("target size 40x24; use pixel")));
}

TEST_F(UpscaleChainRun, MissingCouplingIsAModelError) {
  EXPECT_THAT(thrown<ModelError>([&] { run(smooth_image(12, 20), {3}); }), HasSubstr("'tiny' has no coupling for 3x"));
}

TEST_F(UpscaleChainRun, UsesSmallerTilesWhenMemoryRunsOut) {
  without_motion();
  const torch::Tensor pixels = smooth_image(250, 260);
  const torch::Tensor whole = run(pixels, {2});
  // "Memory runs out" for tiles with sides of more than 300 pixels.
  files_.set_program("decoder.pt", {R"(
def forward(self, latent):
    assert latent.size(2) <= 75, 'out of memory'
    colors = latent[:, 0:3] * self.one
    return torch.repeat_interleave(torch.repeat_interleave(colors, 4, 2), 4, 3)
)"});
  EXPECT_THAT(thrown<MemoryError>([&] { run(pixels, {2}); }),
              AllOf(HasSubstr("upscaling to 520x500"), HasSubstr("smaller `tile`")));
  tiles_ = {};
  EXPECT_TRUE(is_close(run(pixels, {2}), whole, 1e-5));
}

TEST_F(UpscaleChainRun, BrokenCouplingIsRepeatedInFloat32) {
  without_motion();
  const torch::Tensor pixels = smooth_image(12, 20);
  const torch::Tensor exact = run(pixels, {2});
  // In bfloat16 the bump is lost, and 0 / 0 is no number.
  files_.set_program("decoder.pt", {R"(
def forward(self, latent):
    bump = self.one + 0.001953125 - self.one
    colors = latent[:, 0:3] * (bump / bump)
    return torch.repeat_interleave(torch.repeat_interleave(colors, 4, 2), 4, 3)
)"});
  EXPECT_TRUE(is_close(run(pixels, {2}, {}, 42, torch::kBFloat16), exact, 1e-5));
  files_.set_program("encoder.pt",
                     {"def forward(self, x):\n    return torch.avg_pool2d(torch.cat([x, x[:, 0:1]], 1), [4, 4]) / 0"});
  EXPECT_THAT(thrown<Error>([&] { run(pixels, {2}); }), HasSubstr("coupling 1 gave NaN or infinite values"));
}

TEST(ResolveCoupling, AppliesTheOptions) {
  const Manifest manifest = parse_manifest(test::tiny_manifest().dump(), "bundle.json");
  EXPECT_EQ(coupling_factors(manifest, ImageSource::external), Factors({2, 4}));
  EXPECT_EQ(coupling_factors(manifest, ImageSource::generated), Factors({2, 4}));
  const CouplingEntry coupling =
      resolve_coupling(manifest, 4, {.steps = 9, .solver = "rk4", .noising_step = 7, .upsampling = Upsampling::latent},
                       ImageSource::external);
  EXPECT_EQ(coupling.factor, 4);
  EXPECT_EQ(coupling.steps, 9);
  EXPECT_EQ(coupling.solver, "rk4");
  EXPECT_EQ(coupling.noising_step, 7);
  EXPECT_EQ(coupling.upsampling, Upsampling::latent);
  EXPECT_EQ(resolve_coupling(manifest, 2, {}, ImageSource::external).steps, 2);
}

TEST(ResolveCoupling, ChoosesTheFirstThatAppliesToTheSource) {
  nlohmann::json description = test::tiny_manifest();
  nlohmann::json& couplings = description["couplings"];
  couplings[0]["steps"] = 3;
  couplings[0]["applies_to"] = "generated";
  couplings.push_back(couplings[0]);
  couplings[2].erase("applies_to");
  couplings[2]["steps"] = 5;
  couplings[1]["applies_to"] = "external";
  const Manifest manifest = parse_manifest(description.dump(), "bundle.json");
  EXPECT_EQ(coupling_factors(manifest, ImageSource::generated), Factors({2, 2}));
  EXPECT_EQ(coupling_factors(manifest, ImageSource::external), Factors({4, 2}));
  EXPECT_EQ(resolve_coupling(manifest, 2, {}, ImageSource::generated).steps, 3);
  EXPECT_EQ(resolve_coupling(manifest, 2, {}, ImageSource::external).steps, 5);
  EXPECT_THAT(thrown<ModelError>([&] { resolve_coupling(manifest, 4, {}, ImageSource::generated); }),
              HasSubstr("no coupling for 4x of generated images"));
}

/// A coupling of 2x that was trained with noising steps up to 301 and asks for 3 rounds.
Manifest with_range(const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json manifest = test::tiny_manifest();
  manifest["couplings"][0].update({{"noising_step", 20}, {"noising_step_max", 301}, {"back_projection", 3}});
  manifest["couplings"][0].update(more);
  return parse_manifest(manifest.dump(), "bundle.json");
}

std::pair<int, int> noise_and_rounds(const Manifest& manifest, const FlowOptions& options, std::int64_t factor = 2,
                                     ImageSource source = ImageSource::external) {
  const CouplingEntry coupling = resolve_coupling(manifest, factor, options, source);
  return {coupling.noising_step, coupling.back_projection};
}

TEST(ResolveCoupling, FidelityTradesNoiseForBackProjection) {
  const Manifest manifest = with_range();
  EXPECT_EQ(noise_and_rounds(manifest, {.fidelity = 1.0}), std::pair(0, 3));
  EXPECT_EQ(noise_and_rounds(manifest, {.fidelity = 0.0}), std::pair(301, 0));
  EXPECT_EQ(noise_and_rounds(manifest, {.fidelity = 0.4}), std::pair(181, 1));
  EXPECT_EQ(noise_and_rounds(manifest, {}), std::pair(20, 3)) << "the bundle's values without a fidelity";
}

TEST(ResolveCoupling, FidelityKeepsASingleTrainedNoisingStep) {
  EXPECT_EQ(noise_and_rounds(with_range(), {.fidelity = 0.0}, 4), std::pair(400, 0));
  EXPECT_EQ(noise_and_rounds(with_range(), {.fidelity = 1.0}, 4), std::pair(400, 2)) << "at least two rounds";
}

TEST(ResolveCoupling, ExplicitOptionsOverrideFidelity) {
  const FlowOptions options{.noising_step = 7, .fidelity = 0.0, .back_projection = 9};
  EXPECT_EQ(noise_and_rounds(with_range(), options), std::pair(7, 9));
}

TEST(ResolveCoupling, GeneratedImagesHaveTheirOwnFidelity) {
  EXPECT_EQ(noise_and_rounds(with_range(), {}, 2, ImageSource::generated), std::pair(20, 0))
      << "no fidelity: noising step unchanged";
  const Manifest manifest = with_range({{"generated_fidelity", 0.25}});
  EXPECT_EQ(noise_and_rounds(manifest, {}, 2, ImageSource::generated), std::pair(226, 1));
  EXPECT_EQ(noise_and_rounds(manifest, {.fidelity = 1.0}, 2, ImageSource::generated), std::pair(0, 3));
  EXPECT_EQ(noise_and_rounds(manifest, {}), std::pair(20, 3)) << "does not apply to existing images";
}

}  // namespace
}  // namespace fmboost
