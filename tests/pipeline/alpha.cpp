#include "pipeline/alpha.h"

#include <gtest/gtest.h>

#include "fmboost/image/resize.h"

#include "pipeline/flat_areas.h"
#include "support/compare.h"

namespace fmboost {
namespace {

// A disk of one color on hidden black: pixels (3, 32, 32) and alpha (1, 32, 32).
struct Disk {
  torch::Tensor pixels;
  torch::Tensor alpha;
};

Disk disk() {
  const torch::Tensor x = torch::arange(32).unsqueeze(0) - 16;
  const torch::Tensor inside = (x * x + x.t() * x.t() < 100).unsqueeze(0);
  const torch::Tensor color = torch::tensor({0.6F, -0.75F, -0.75F}).view({3, 1, 1});
  return {torch::where(inside, color, torch::full({3, 1, 1}, -1.0F)), inside.to(torch::kFloat32)};
}

TEST(SpreadColors, GivesHiddenPixelsTheColorOfVisibleOnes) {
  const auto [pixels, alpha] = disk();
  const torch::Tensor spread = spread_colors(pixels, alpha);
  EXPECT_TRUE(test::is_close(spread, torch::tensor({0.6F, -0.75F, -0.75F}).view({3, 1, 1}).expand_as(spread), 1e-5));
}

TEST(SpreadColors, TakesThemFromNearby) {
  torch::Tensor pixels = torch::full({3, 5, 40}, -1.0F);
  torch::Tensor alpha = torch::zeros({1, 5, 40});
  pixels.slice(2, 0, 4).fill_(1);
  alpha.slice(2, 0, 4).fill_(1);
  pixels.slice(2, 36, 40).fill_(0);
  alpha.slice(2, 36, 40).fill_(1);
  const torch::Tensor spread = spread_colors(pixels, alpha);
  EXPECT_GT(spread.slice(2, 4, 8).min().item<float>(), 0.8);
  EXPECT_LT(spread.slice(2, 32, 36).abs().max().item<float>(), 0.2);
}

TEST(SpreadColors, LeavesVisiblePixelsAndImagesWithoutAnyAlone) {
  const torch::Tensor pixels = torch::rand({3, 7, 9}) * 2 - 1;
  const torch::Tensor faint = torch::rand({1, 7, 9}) > 0.5;
  const torch::Tensor spread = spread_colors(pixels, faint / 255);
  EXPECT_TRUE(torch::equal(spread.masked_select(faint), pixels.masked_select(faint)));
  EXPECT_TRUE(torch::equal(spread_colors(pixels, torch::zeros({1, 7, 9})), pixels));
  EXPECT_TRUE(torch::equal(spread_colors(pixels, torch::ones({1, 7, 9})), pixels));
}

TEST(UpscaleAlpha, SharpensEdgesThatAreBinary) {
  torch::Tensor alpha = torch::zeros({1, 8, 16});
  alpha.slice(2, 8, 16).fill_(1);
  const torch::Tensor sharp = upscale_alpha(alpha, 32, 64);
  const torch::Tensor soft = resize_bicubic(alpha.unsqueeze(0), 32, 64).squeeze(0);
  const auto between = [](const torch::Tensor& x) { return ((x > 0.01) & (x < 0.99))[0][16].sum().item<int>(); };
  EXPECT_LE(between(sharp), 2);
  EXPECT_GE(between(soft), 4);
  EXPECT_EQ(sharp.min().item<float>(), 0);
  EXPECT_EQ(sharp.max().item<float>(), 1);
  EXPECT_NEAR(sharp.mean().item<double>(), 0.5, 1e-6);
}

TEST(UpscaleAlpha, IsBicubicElsewhere) {
  const torch::Tensor alpha = torch::rand({1, 8, 6});
  const torch::Tensor expected = resize_bicubic(alpha.unsqueeze(0), 24, 18).squeeze(0).clamp(0, 1);
  EXPECT_TRUE(torch::equal(upscale_alpha(alpha, 24, 18), expected));
}

TEST(HoldFlatAreas, SetsFlatSurroundingsAndNothingElse) {
  torch::Tensor source = torch::full({1, 3, 6, 9}, 1.0F);
  source[0][1][3][7] = 0.5;  // the last three columns are not flat around it
  const torch::Tensor rippled = torch::rand({1, 3, 300, 450});
  torch::Tensor held = rippled.clone();
  hold_flat_areas(held, source);
  EXPECT_TRUE((held.slice(3, 0, 300) == 1).all().item<bool>());
  EXPECT_TRUE((held.slice(2, 0, 100) == 1).all().item<bool>());
  EXPECT_TRUE(torch::equal(held.slice(2, 100, 250).slice(3, 300, 450), rippled.slice(2, 100, 250).slice(3, 300, 450)));
}

}  // namespace
}  // namespace fmboost
