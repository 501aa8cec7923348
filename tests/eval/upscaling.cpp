#include "fmboost/eval/upscaling.h"

#include <gmock/gmock.h>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::HasSubstr;

torch::Tensor noise_image(std::int64_t height, std::int64_t width) {
  auto generator = cpu_generator(11);
  return gaussian_noise({3, height, width}, generator) * 0.4;
}

torch::Tensor line(std::initializer_list<float> values) {
  return torch::tensor(std::vector<float>(values)).view({1, 1, 1, -1});
}

// The expected numbers are Pillow's, in its floating-point mode.
TEST(Upscaling, LanczosMatchesPillow) {
  const torch::Tensor wide = upsample_lanczos(line({0.1F, 0.9F, -0.4F, 0.3F, 0.7F}), 1, 10);
  EXPECT_TRUE(test::is_close(wide,
                             line({-0.0540964F, 0.3286905F, 0.8419030F, 0.6872214F, -0.1399348F, -0.4436122F,
                                   0.0058513F, 0.5072034F, 0.6708732F, 0.7255650F}),
                             1e-6));
  const torch::Tensor tall = upsample_lanczos(line({1.0F, 0.0F, 0.5F}).transpose(2, 3), 12, 1);
  EXPECT_TRUE(test::is_close(tall.transpose(2, 3),
                             line({1.2041099F, 1.0823313F, 0.9008644F, 0.6489233F, 0.3451702F, 0.0775097F, -0.0244657F,
                                   0.0678539F, 0.2523372F, 0.4288378F, 0.5580603F, 0.6371740F}),
                             1e-6));
}

TEST(Upscaling, BicubicMatchesPillow) {
  const torch::Tensor wide = upsample_bicubic(line({0.1F, 0.9F, -0.4F, 0.3F, 0.7F}), 1, 10);
  EXPECT_TRUE(test::is_close(wide,
                             line({0.0294118F, 0.2802920F, 0.8122137F, 0.6757813F, -0.1664063F, -0.3585938F, 0.0992188F,
                                   0.4366413F, 0.6394160F, 0.7352941F}),
                             1e-6));
}

TEST(Upscaling, UniformAreasStayUniform) {
  const torch::Tensor even = torch::full({1, 3, 5, 7}, 0.25);
  EXPECT_TRUE(test::is_close(upsample_lanczos(even, 20, 28), torch::full({1, 3, 20, 28}, 0.25), 1e-6));
  EXPECT_TRUE(test::is_close(upsample_bicubic(even, 20, 28), torch::full({1, 3, 20, 28}, 0.25), 1e-6));
}

TEST(UpscalingTask, RightAndLowerEdgesAreCutToMultiplesOfTheScale) {
  const torch::Tensor image = noise_image(23, 30);
  const UpscalingTask task = make_upscaling_task(image, 4);
  EXPECT_EQ(task.original.sizes(), (std::vector<std::int64_t>{3, 20, 28}));
  EXPECT_EQ(task.low.sizes(), (std::vector<std::int64_t>{1, 3, 5, 7}));
  EXPECT_TRUE(test::is_close(task.original, image.clamp(-1, 1).slice(1, 0, 20).slice(2, 0, 28), 0.51 / 127.5));
}

TEST(UpscalingTask, DownsamplingMatchesPillowAndRoundsTo8Bits) {
  const torch::Tensor row = torch::tensor({0.2F, -0.6F, 0.4F, 1.0F, -1.0F, 0.1F, 0.3F, 0.3F});
  const UpscalingTask task = make_upscaling_task(row.expand({3, 8, 8}), 2);
  const torch::Tensor levels = (task.low + 1) * 127.5;
  EXPECT_TRUE(test::is_close(levels, levels.round(), 1e-6));
  const torch::Tensor pillow = torch::tensor({-0.1623431F, 0.4069498F, -0.2575290F, 0.3158996F});
  EXPECT_TRUE(test::is_close(task.low[0][1][2], pillow, 1.1 / 127.5 / 0.4));
}

TEST(UpscalingTask, ImagesSmallerThanTheScaleAreRefused) {
  EXPECT_THAT(test::thrown<Error>([] { make_upscaling_task(noise_image(3, 40), 4); }),
              HasSubstr("40x3 is too small to be downsampled by 4"));
}

TEST(MeasureUpscaler, PerfectUpscalerIsPerfectAndBlurryOneIsWorse) {
  const UpscalingTask task = make_upscaling_task(noise_image(40, 40), 2);
  const auto perfect = [&](const torch::Tensor&, std::int64_t, std::int64_t) { return task.original.unsqueeze(0); };
  EXPECT_EQ(measure_upscaler(task, {"perfect", perfect}, {.border = 2}).mse, 0.0);
  const double bicubic = measure_upscaler(task, {"bicubic", upsample_bicubic}, {.border = 2}).psnr_y;
  EXPECT_GT(bicubic, 8.0);
  EXPECT_LT(bicubic, 25.0);
}

TEST(MeasureUpscaler, ResultIsRoundedAndClampedLikeAFile) {
  const UpscalingTask task = make_upscaling_task(torch::full({3, 32, 32}, 1.0), 2);
  const auto overshooting = [](const torch::Tensor&, std::int64_t height, std::int64_t width) {
    return torch::full({1, 3, height, width}, 1.5);
  };
  EXPECT_EQ(measure_upscaler(task, {"overshooting", overshooting}, {.border = 2}).mse, 0.0);
}

TEST(MeasureUpscaler, UpscalerGetsTheLowImageAndTheTargetSize) {
  const UpscalingTask task = make_upscaling_task(noise_image(33, 48), 3);
  const auto checking = [&](const torch::Tensor& low, std::int64_t height, std::int64_t width) {
    EXPECT_EQ(low.sizes(), (std::vector<std::int64_t>{1, 3, 11, 16}));
    EXPECT_EQ(height, 33);
    EXPECT_EQ(width, 48);
    return upsample_bicubic(low, height, width);
  };
  measure_upscaler(task, {"checking", checking}, {.border = 3});
}

TEST(MeasureUpscaler, ResultOfAnotherSizeIsRefused) {
  const UpscalingTask task = make_upscaling_task(noise_image(32, 32), 2);
  const auto lazy = [](const torch::Tensor& low, std::int64_t, std::int64_t) { return low; };
  EXPECT_THAT(test::thrown<Error>([&] {
                measure_upscaler(task, {"lazy", lazy}, {.border = 2});
              }),
              HasSubstr("16x16 and 32x32"));
}

}  // namespace
}  // namespace fmboost
