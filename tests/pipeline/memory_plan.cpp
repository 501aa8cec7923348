#include "fmboost/pipeline/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/pipeline/upscale.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// Its decoder takes (and never touches) 2 GiB at the 8 x 8 pixels that it is weighed at: 32 MiB a pixel.
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

  std::string refusal(const Size& size, const TileOptions& tiles) const {
    return thrown<MemoryError>([&] { UpscaleChain(*components_, {}, tiles, ImageSource::external).check_memory(size); });
  }

  test::TinyBundle files_;
  std::shared_ptr<ModelComponents> components_;
};

TEST(MemoryPlan, AddsUpWhatIsHeldAndWhatIsWorkedOn) {
  const MemoryPlan plan{.pixels = 100, .bytes_per_pixel = 50, .tiled_bytes_per_pixel = 7, .resident_bytes = 1000};
  EXPECT_EQ(plan.untiled_bytes(), 6000);
  EXPECT_EQ(plan.tiled_bytes(10), 2200);
}

TEST(MemoryPlan, WeighsTheAutoencoder) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  const MemoryPlan plan = plan_memory(components, {200, 100});
  // The decoder's result alone takes 3 channels of 4 bytes.
  EXPECT_GT(plan.bytes_per_pixel, 12);
  EXPECT_LT(plan.bytes_per_pixel, 1000);
  EXPECT_GT(plan.tiled_bytes_per_pixel, 0);
  EXPECT_LT(plan.tiled_bytes_per_pixel, plan.bytes_per_pixel);
  EXPECT_FALSE(plan.in_strips);
  EXPECT_GT(plan.resident_bytes, 2 * 200 * 100 * 12);
  EXPECT_LT(plan.resident_bytes, 10 * 200 * 100 * 12);
  EXPECT_GT(plan.available, 0);
  EXPECT_NO_THROW(UpscaleChain(components, {}, {}, ImageSource::external).check_memory({200, 100}));
}

TEST_F(HeavyBundle, IsRefusedWithTheFigures) {
  const std::string message = refusal({1024, 768}, {});
  EXPECT_THAT(message, AllOf(HasSubstr("an image of 1024x768 needs about"), ContainsRegex("about [0-9.]+ [GT]iB"),
                             ContainsRegex("and [0-9.]+ [GT]iB can be used"), HasSubstr("ask for a smaller size"),
                             Not(HasSubstr("--tile auto"))));
}

TEST_F(HeavyBundle, IsToldToTileWhereItDoesNot) {
  EXPECT_THAT(refusal({4096, 4096}, {.automatic = false}), HasSubstr("use --tile auto"));
  EXPECT_THAT(refusal({4096, 4096}, {.automatic = false, .size = 2048}), HasSubstr("use --tile auto"));
}

TEST_F(HeavyBundle, MayMakeWhatFits) {
  EXPECT_NO_THROW(UpscaleChain(*components_, {}, {}, ImageSource::external).check_memory({4, 4}));
}

TEST_F(HeavyBundle, RefusesImagesBeforeAnyWork) {
  UpscalePipeline pipeline(components_, {});
  const Image source{.pixels = torch::zeros({3, 512, 512}), .alpha = {}, .metadata = {}, .format = ""};
  const auto observer = [](const std::string&, const torch::Tensor&) { ADD_FAILURE() << "work was done"; };
  EXPECT_THAT(thrown<MemoryError>([&] { pipeline.run(source, {}, nullptr, observer); }), HasSubstr("1024x1024"));
}

}  // namespace
}  // namespace fmboost
