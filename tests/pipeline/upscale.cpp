#include "fmboost/pipeline/upscale.h"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

#include "support/compare.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using test::TinyBundle;
using testing::HasSubstr;

Image gradient_image(std::int64_t height, std::int64_t width) {
  const torch::Tensor rows = torch::linspace(-1, 1, height).reshape({1, height, 1});
  const torch::Tensor columns = torch::linspace(-0.5, 0.5, width).reshape({1, 1, width});
  return {.pixels = (torch::cat({rows + columns, rows - columns, rows * columns})).contiguous(),
          .alpha = {},
          .metadata = {},
          .format = "png"};
}

class Upscale : public testing::Test {
 protected:
  UpscalePipeline pipeline(const UpscaleOptions& options) const {
    return {std::make_shared<ModelComponents>(files_.open(), Placement{}), options};
  }
  Image run(const Image& source, const UpscaleOptions& options) const { return pipeline(options).run(source).image; }
  TinyBundle files_;
};

TEST_F(Upscale, ResultHasExactlyTheRequestedSize) {
  EXPECT_EQ(run(gradient_image(9, 14), {}).pixels.sizes(), at::IntArrayRef({3, 18, 28}));
  EXPECT_EQ(run(gradient_image(9, 14), {.scale = 3.3}).pixels.sizes(), at::IntArrayRef({3, 30, 46}));
  EXPECT_EQ(run(gradient_image(9, 14), {.size = Size{29, 19}}).pixels.sizes(), at::IntArrayRef({3, 19, 29}));
  EXPECT_EQ(run(gradient_image(9, 14), {.long_side = 50}).pixels.sizes(), at::IntArrayRef({3, 32, 50}));
  EXPECT_EQ(run(gradient_image(1, 1), {}).pixels.sizes(), at::IntArrayRef({3, 2, 2}));
  EXPECT_EQ(run(gradient_image(2, 90), {}).pixels.sizes(), at::IntArrayRef({3, 4, 180}));
}

TEST_F(Upscale, ChainsCouplings) {
  std::vector<std::string> names;
  Hooks hooks;
  hooks.intermediate = [&](const std::string& name, const torch::Tensor&) { names.push_back(name); };
  pipeline({.scale = 8}).run(gradient_image(5, 6), hooks);
  EXPECT_THAT(names, testing::ElementsAre("context-0", "high_latent-0", "context-1", "high_latent-1"));
}

TEST_F(Upscale, KeepsMetadataAndFormat) {
  Image source = gradient_image(8, 8);
  source.metadata.icc_profile = {std::byte{1}, std::byte{2}};
  source.metadata.exif = {std::byte{3}};
  source.metadata.text = {{"Title", "An image"}};
  const Image result = run(source, {});
  EXPECT_EQ(result.metadata.icc_profile, source.metadata.icc_profile);
  EXPECT_EQ(result.metadata.exif, source.metadata.exif);
  EXPECT_EQ(result.metadata.text, source.metadata.text);
  EXPECT_EQ(result.format, "png");
  EXPECT_FALSE(result.alpha.defined());
  EXPECT_EQ(source.pixels.size(1), 8);
}

TEST_F(Upscale, UpscalesSoftAlphaBicubically) {
  Image source = gradient_image(8, 10);
  source.alpha = torch::full({1, 8, 10}, 0.1F);
  source.alpha.slice(2, 5).fill_(1);
  const Image result = run(source, {});
  EXPECT_EQ(result.alpha.sizes(), at::IntArrayRef({1, 16, 20}));
  EXPECT_GE(result.alpha.min().item<float>(), 0);
  EXPECT_LE(result.alpha.max().item<float>(), 1);
  EXPECT_TRUE(is_close(result.alpha, resize_bicubic(source.alpha.unsqueeze(0), 16, 20).squeeze(0).clamp(0, 1), 1e-6));
}

TEST_F(Upscale, KeepsTheKindOfTheSourceAndThePrintedSize) {
  Image source = gradient_image(8, 10);
  source.pixels = source.pixels.slice(0, 0, 1).expand({3, -1, -1});
  source.gray = true;
  source.bit_depth = 16;
  source.metadata.density = PixelDensity{300, 72};
  const Image result = run(source, {});
  EXPECT_TRUE(result.gray);
  EXPECT_EQ(result.bit_depth, 16);
  EXPECT_TRUE(torch::equal(result.pixels[0], result.pixels[1]));
  EXPECT_TRUE(torch::equal(result.pixels[0], result.pixels[2]));
  EXPECT_EQ(result.metadata.density, (PixelDensity{600, 144}));
}

TEST_F(Upscale, BackProjectionComesFromTheBundleUnlessOverridden) {
  const Image source = gradient_image(16, 20);
  const auto unfaithfulness = [&](std::optional<int> rounds) {
    const torch::Tensor result = run(source, {.flow = {.back_projection = rounds}}).pixels.unsqueeze(0);
    return (resize_bicubic(result, 16, 20) - source.pixels).abs().mean().item<double>();
  };
  const double none = unfaithfulness(0);
  const double once = unfaithfulness(1);
  EXPECT_EQ(unfaithfulness({}), once);  // the bundle's
  EXPECT_LT(once, none / 3);
  EXPECT_LT(unfaithfulness(2), once / 2);
}

TEST_F(Upscale, BackProjectionIsThatOfTheLastCoupling) {
  files_.manifest["couplings"][1]["back_projection"] = 0;
  files_.write();
  const Image source = gradient_image(8, 8);
  EXPECT_TRUE(
      torch::equal(run(source, {.scale = 4}).pixels, run(source, {.scale = 4, .flow = {.back_projection = 0}}).pixels));
  EXPECT_FALSE(
      torch::equal(run(source, {.scale = 8}).pixels, run(source, {.scale = 8, .flow = {.back_projection = 0}}).pixels));
}

TEST_F(Upscale, FixesColors) {
  const Image source = gradient_image(16, 20);
  const torch::Tensor fixed = run(source, {.color_fix = ColorFix::adain, .flow = {.back_projection = 0}}).pixels;
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    EXPECT_NEAR(fixed[channel].mean().item<double>(), source.pixels[channel].mean().item<double>(), 1e-4);
  }
}

// The hook waits within the flow, so that its time is known from below and from above.
TEST_F(Upscale, MeasuresItsStages) {
  Hooks hooks;
  hooks.progress = [](const std::string&, std::int64_t, std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  };
  const auto start = std::chrono::steady_clock::now();
  UpscaledImage result = pipeline({.color_fix = ColorFix::wavelet}).run(gradient_image(8, 8), hooks);
  const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto keys = [](const StageSeconds& seconds) {
    std::string text;
    for (const auto& [stage, time] : seconds) {
      text += stage + " ";
    }
    return text;
  };
  ASSERT_EQ(keys(result.seconds), "back_projection color_fix decode encode flow resize ");
  EXPECT_GE(result.seconds["flow"], 2 * 0.1) << "two steps";
  double sum = 0;
  for (const auto& [stage, time] : result.seconds) {
    EXPECT_GT(time, 0) << stage;
    sum += time;
  }
  EXPECT_LE(sum, all);
  EXPECT_EQ(keys(pipeline({.flow = {.back_projection = 1}}).run(gradient_image(8, 8)).seconds),
            "back_projection decode encode flow resize ");
}

TEST_F(Upscale, PlansWithoutLoadingAnything) {
  std::filesystem::remove(files_.folder() / "decoder.pt");
  const UpscalePlan plan = pipeline({.scale = 8}).plan({20, 10});
  EXPECT_EQ(plan.size, (Size{160, 80}));
  EXPECT_EQ(plan.fit, SizeFit::scale);
  ASSERT_EQ(plan.couplings.size(), 2U);
  EXPECT_EQ(plan.couplings[0].factor, 4);
  EXPECT_EQ(plan.couplings[1].factor, 2);
  EXPECT_EQ(plan.memory.size, plan.size);
}

TEST_F(Upscale, ChecksItsOptionsAndTheBundle) {
  EXPECT_THROW(run(gradient_image(8, 8), {.scale = 1.0}), UsageError);
  EXPECT_THROW(run(gradient_image(8, 8), {.size = Size{8, 8}}), UsageError);
  files_.manifest["couplings"] = nlohmann::json::array();
  files_.write();
  EXPECT_THAT(thrown<ModelError>([&] { run(gradient_image(8, 8), {}); }),
              testing::AllOf(HasSubstr(files_.folder().string()), HasSubstr("has no coupling"), HasSubstr("`cfm`")));
}

}  // namespace
}  // namespace fmboost
