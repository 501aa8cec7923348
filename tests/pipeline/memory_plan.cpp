#include "fmboost/pipeline/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/pipeline/upscale.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "chain.h"
#include "generating.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// Its decoder allocates (and never touches) 2 GiB for the 8 x 8 pixels of its measurement: 32 MiB per pixel.
class HeavyBundle : public testing::Test {
 protected:
  HeavyBundle() {
    files_.manifest["autoencoder"]["factor"] = 1;
    files_.set_program("encoder.pt", {"def forward(self, x):\n    return torch.cat([x, x.mean([1], True)], 1)"});
    files_.set_program("decoder.pt", {R"(
def forward(self, latent):
    heavy = torch.empty([latent.numel() * 2097152])
    return latent[:, 0:3] + 0 * heavy.numel()
)"});
    components_ = std::make_shared<ModelComponents>(files_.open(), Placement{});
  }

  std::string rejection(const Size& size, const TileOptions& tiles) const {
    components_->autoencoder(torch::kFloat32);
    return thrown<MemoryError>([&] { check_memory(plan_memory(*components_, size), tiles); });
  }

  test::TinyBundle files_;
  std::shared_ptr<ModelComponents> components_;
};

TEST(MemoryPlan, AddsResidentAndWorkingMemory) {
  const MemoryPlan plan{.size = {20, 5}, .bytes_per_pixel = 50, .tiled_bytes_per_pixel = 7, .resident_bytes = 1000};
  EXPECT_EQ(plan.untiled_bytes(), 6000);
  EXPECT_EQ(plan.tiled_bytes(10), 2200);
}

// Upscales to 200 x 100 and compares the plan, margins included, with the peak of all tensors during the run.
TEST(MemoryPlan, BoundsTheMemoryOfAnUpscaleFromBothSides) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  const torch::Tensor pixels = torch::zeros({1, 3, 200, 400});
  const UpscalePlan upscale = test::plan_chain(components, pixels, {2});
  UpscaleChain chain(components, {.automatic = false});
  chain.run(upscale, {pixels, {}}, 1);  // loads and measures
  const std::int64_t peak = peak_tensor_memory(torch::kCPU, [&] { chain.run(upscale, {pixels, {}}, 1); });
  const MemoryPlan plan = plan_memory(components, upscale.size);
  const double ratio = static_cast<double>(plan.untiled_bytes()) / static_cast<double>(peak);
  EXPECT_GT(ratio, 1.0) << plan.untiled_bytes() << " planned, " << peak << " measured";
  EXPECT_LT(ratio, 2.5) << plan.untiled_bytes() << " planned, " << peak << " measured";
  EXPECT_LT(plan.tiled_bytes_per_pixel, plan.bytes_per_pixel);
  EXPECT_GT(plan.tiled_bytes_per_pixel, 0);
  EXPECT_FALSE(plan.in_strips);
  EXPECT_TRUE(plan.complete);
  EXPECT_EQ(plan.resident_bytes, 800 * 400 * 4 * 3 * 4);
  EXPECT_GT(plan.available, 0);
  EXPECT_NO_THROW(check_memory(plan, {}));
}

TEST(MemoryPlan, LoadsNothing) {
  const test::TinyBundle files;
  for (const char* file : {"encoder.pt", "decoder.pt", "cfm.safetensors"}) {
    std::filesystem::remove(files.folder() / file);
  }
  const ModelComponents components(files.open(), {});
  const MemoryPlan plan = plan_memory(components, {200, 100});
  EXPECT_FALSE(plan.complete);
  EXPECT_GT(plan.bytes_per_pixel, 0) << "the coupling's network";
}

TEST_F(HeavyBundle, IsRejectedWithTheFigures) {
  const std::string message = rejection({1024, 768}, {});
  EXPECT_THAT(message, AllOf(HasSubstr("an image of 1024x768 needs about"), ContainsRegex("about [0-9.]+ [GT]iB"),
                             ContainsRegex("and [0-9.]+ [GT]iB can be used"), HasSubstr("use a smaller size"),
                             Not(HasSubstr("`tile`"))));
}

TEST_F(HeavyBundle, IsRejectedWithAHintToTile) {
  EXPECT_THAT(rejection({4096, 4096}, {.automatic = false}), HasSubstr("use `tile` auto"));
  EXPECT_THAT(rejection({4096, 4096}, {.automatic = false, .size = 2048}), HasSubstr("use `tile` auto"));
}

TEST_F(HeavyBundle, AcceptsAnImageThatFits) {
  components_->autoencoder(torch::kFloat32);
  EXPECT_NO_THROW(check_memory(plan_memory(*components_, {4, 4}), {}));
}

TEST_F(HeavyBundle, IsRejectedByTheUpscalePipelineBeforeAnyWork) {
  UpscalePipeline pipeline(components_, {});
  const Image source{.pixels = torch::zeros({3, 512, 512}), .alpha = {}, .metadata = {}, .format = ""};
  Hooks hooks;
  hooks.intermediate = [](const std::string&, const torch::Tensor&) { ADD_FAILURE() << "work was done"; };
  hooks.progress = [](const std::string&, std::int64_t, std::int64_t) { ADD_FAILURE() << "work was done"; };
  EXPECT_THAT(thrown<MemoryError>([&] { pipeline.run(source, hooks); }), HasSubstr("1024x1024"));
}

// The program is measured when it decodes the low-resolution image; the final size is checked then.
TEST_F(HeavyBundle, IsRejectedByTheGeneratePipelineBeforeUpscaling) {
  const GenerateRequest request{.prompt = "red", .size = Size{1024, 768}, .base_size = Size{8, 8}};
  const test::Outcome outcome = test::generate({components_, nullptr, {}}, {request});
  EXPECT_TRUE(outcome.images.empty());
  EXPECT_THAT(outcome.errors.at(0), HasSubstr("an image of 1024x768 needs about"));
  EXPECT_FALSE(outcome.progress.contains("flow 1"));
}

}  // namespace
}  // namespace fmboost
