#include "fmboost/pipeline/back_projection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/image/resize.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::HasSubstr;

torch::Tensor noise(at::IntArrayRef shape, std::uint64_t seed) {
  auto generator = cpu_generator(seed);
  return gaussian_noise(shape, generator);
}

// Smooth shapes, as images have, within [-1, 1].
torch::Tensor image(std::int64_t height, std::int64_t width) {
  return upsample_bilinear(noise({1, 3, 4, 5}, 1), height, width).clamp(-3, 3) / 3;
}

// The mean difference between a result, downsampled to the source's size, and the source.
double unfaithfulness(const torch::Tensor& upscaled, const torch::Tensor& source) {
  return (resize_bicubic(upscaled, source.size(2), source.size(3)) - source).abs().mean().item<double>();
}

TEST(BackProject, MakesTheResultConsistentWithTheSource) {
  for (const std::int64_t factor : {2, 3, 4}) {
    const torch::Tensor source = image(24, 30);
    const torch::Tensor upscaled =
        resize_bicubic(source, 24 * factor, 30 * factor) + 0.1 + 0.1 * noise({1, 3, 24 * factor, 30 * factor}, 2);
    const double before = unfaithfulness(upscaled, source);
    const double once = unfaithfulness(back_project(upscaled, source, 1), source);
    const double twice = unfaithfulness(back_project(upscaled, source, 2), source);
    EXPECT_GT(before, 0.05);
    EXPECT_LT(once, before / 5) << factor;
    EXPECT_LT(twice, once / 1.5) << factor;
    EXPECT_LT(twice, 0.008) << factor;
    EXPECT_GT(twice, 0);
  }
}

TEST(BackProject, KeepsDetailFinerThanTheSource) {
  const torch::Tensor source = image(16, 16);
  torch::Tensor checker = torch::ones({1, 3, 64, 64});
  checker.slice(3, 0, 64, 2).mul_(-1);
  checker.slice(2, 0, 64, 2).mul_(-1);
  const torch::Tensor base = resize_bicubic(source, 64, 64);
  const torch::Tensor plain = back_project(base, source, 2);
  const torch::Tensor detailed = back_project(base + 0.2 * checker, source, 2);
  EXPECT_TRUE(is_close((detailed - plain).slice(2, 8, 56).slice(3, 8, 56),
                       0.2 * checker.slice(2, 8, 56).slice(3, 8, 56), 0.02));
}

TEST(BackProject, ZeroRoundsChangeNothing) {
  const torch::Tensor upscaled = noise({1, 3, 20, 20}, 3);
  EXPECT_TRUE(torch::equal(back_project(upscaled, image(10, 10), 0), upscaled));
}

TEST(BackProject, DoesNotModifyItsInput) {
  const torch::Tensor upscaled = noise({1, 3, 20, 20}, 3);
  const torch::Tensor copy = upscaled.clone();
  back_project(upscaled, image(10, 10), 2);
  EXPECT_TRUE(torch::equal(upscaled, copy));
}

TEST(BackProject, AcceptsSizesThatAreNotMultiples) {
  const torch::Tensor source = image(7, 13);
  const torch::Tensor upscaled = back_project(torch::zeros({1, 3, 17, 31}), source, 3);
  EXPECT_EQ(upscaled.sizes(), at::IntArrayRef({1, 3, 17, 31}));
  EXPECT_LT(unfaithfulness(upscaled, source), 0.02);
  EXPECT_TRUE(is_close(back_project(torch::zeros({1, 3, 5, 4}), torch::full({1, 3, 1, 1}, 0.5), 1),
                       torch::full({1, 3, 5, 4}, 0.5), 1e-5));
}

TEST(ColorFix, IsParsedFromItsName) {
  for (const auto fix : {ColorFix::none, ColorFix::adain, ColorFix::wavelet}) {
    EXPECT_EQ(parse_enum<ColorFix>(enum_name(fix)), fix);
  }
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<ColorFix>("AdaIN"); }), HasSubstr("use none, adain or wavelet"));
}

TEST(ColorFix, NoneChangesNothing) {
  const torch::Tensor upscaled = noise({1, 3, 20, 20}, 3);
  EXPECT_TRUE(torch::equal(fix_colors(upscaled, image(10, 10), ColorFix::none), upscaled));
}

TEST(ColorFix, AdainGivesEveryChannelTheSourcesStatistics) {
  const torch::Tensor source = image(12, 16);
  const torch::Tensor drifted = image(48, 64).flip({1}) * 0.4 + 0.3;
  const torch::Tensor fixed = fix_colors(drifted, source, ColorFix::adain);
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    EXPECT_NEAR(fixed[0][channel].mean().item<double>(), source[0][channel].mean().item<double>(), 1e-4);
    EXPECT_NEAR(fixed[0][channel].std().item<double>(), source[0][channel].std().item<double>(), 3e-3);
  }
}

TEST(ColorFix, AdainAcceptsFlatImages) {
  const torch::Tensor fixed =
      fix_colors(torch::full({1, 3, 4, 4}, 0.7), torch::full({1, 3, 2, 2}, -0.2), ColorFix::adain);
  EXPECT_TRUE(is_close(fixed, torch::full({1, 3, 4, 4}, -0.2), 1e-4));
}

TEST(ColorFix, WaveletRemovesSlowDriftsAndKeepsDetail) {
  const torch::Tensor source = image(40, 48);
  const torch::Tensor upscaled = resize_bicubic(source, 80, 96);
  torch::Tensor checker = torch::ones({1, 3, 80, 96});
  checker.slice(3, 0, 96, 2).mul_(-1);
  EXPECT_TRUE(is_close(fix_colors(upscaled, source, ColorFix::wavelet), upscaled, 1e-5));
  EXPECT_TRUE(is_close(fix_colors(upscaled * 1.0 + 0.3, source, ColorFix::wavelet), upscaled, 1e-5));
  const torch::Tensor detailed = fix_colors(upscaled + 0.3 + 0.2 * checker, source, ColorFix::wavelet);
  EXPECT_TRUE(is_close(detailed.slice(3, 4, 92), (upscaled + 0.2 * checker).slice(3, 4, 92), 0.05));
}

TEST(ColorFix, WaveletAcceptsImagesSmallerThanItsKernels) {
  const torch::Tensor fixed =
      fix_colors(torch::full({1, 3, 2, 3}, 0.9), torch::full({1, 3, 1, 1}, 0.1), ColorFix::wavelet);
  EXPECT_TRUE(is_close(fixed, torch::full({1, 3, 2, 3}, 0.1), 1e-5));
}

}  // namespace
}  // namespace fmboost
