#include "diffusion/guidance.h"

#include <cmath>
#include <gtest/gtest.h>

#include "support/compare.h"

namespace fmboost {
namespace {

using test::is_close;

TEST(GuidedPrediction, ExtrapolatesFromUnconditionalToConditional) {
  const torch::Tensor x = torch::zeros({2, 1, 2, 2});
  const torch::Tensor without = torch::full_like(x, 2.0);
  const torch::Tensor with = torch::full_like(x, 3.0);
  const auto predict = [&](const torch::Tensor&) { return torch::cat({without, with}); };
  EXPECT_TRUE(is_close(guided_prediction(x, 7.5, predict), torch::full_like(x, 2.0 + 7.5), 1e-6));
  EXPECT_TRUE(torch::equal(guided_prediction(x, 1.0, predict), with));
  EXPECT_TRUE(torch::equal(guided_prediction(x, 0.0, predict), without));
}

TEST(GuidedPrediction, BothHalvesAreOneBatchUnconditionalFirst) {
  const torch::Tensor x = torch::arange(6, torch::kFloat32).reshape({3, 2, 1, 1});
  int calls = 0;
  const torch::Tensor result = guided_prediction(x, 2.0, [&](const torch::Tensor& twice) {
    ++calls;
    EXPECT_TRUE(torch::equal(twice, torch::cat({x, x})));
    const torch::Tensor text = torch::tensor({0, 0, 0, 1, 1, 1}, torch::kFloat32).reshape({6, 1, 1, 1});
    return twice * 10 + text;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(is_close(result, x * 10 + 2, 1e-6));
}

TEST(GuidanceEmbedding, MatchesTheSinusoidalFormula) {
  constexpr int kDim = 256;
  const torch::Tensor embedding = guidance_embedding(8.5, kDim);
  ASSERT_EQ(embedding.sizes(), at::IntArrayRef({1, kDim}));
  EXPECT_EQ(embedding.scalar_type(), torch::kFloat32);
  for (const int i : {0, 1, 5, 64, 126, 127}) {
    const double angle = 7500.0 * std::exp(-std::log(10000.0) * i / (kDim / 2 - 1));
    // The angle in float32 is off by up to 2^-24 of 7500.
    EXPECT_NEAR(embedding[0][i].item<double>(), std::sin(angle), 2e-3) << i;
    EXPECT_NEAR(embedding[0][kDim / 2 + i].item<double>(), std::cos(angle), 2e-3) << i;
  }
}

TEST(GuidanceEmbedding, GuidanceOfOneGivesZerosAndOnes) {
  const torch::Tensor embedding = guidance_embedding(1.0, 8);
  EXPECT_TRUE(torch::equal(embedding, torch::tensor({{0.F, 0.F, 0.F, 0.F, 1.F, 1.F, 1.F, 1.F}})));
}

TEST(GuidanceEmbedding, OddWidthEndsWithAZero) {
  const torch::Tensor odd = guidance_embedding(3.0, 9);
  EXPECT_TRUE(torch::equal(odd.slice(1, 0, 8), guidance_embedding(3.0, 8)));
  EXPECT_EQ(odd[0][8].item<float>(), 0.F);
}

}  // namespace
}  // namespace fmboost
