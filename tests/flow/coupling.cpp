#include "fmboost/flow/coupling.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numbers>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using torch::indexing::None;
using torch::indexing::Slice;

torch::Tensor latent() {
  return torch::arange(12, torch::kFloat32).reshape({1, 2, 2, 3});
}

TEST(Upsampling, IsKnownByName) {
  for (const auto upsampling : {Upsampling::pixel, Upsampling::latent, Upsampling::latent_nearest,
                                Upsampling::noise_upsampling, Upsampling::identity}) {
    EXPECT_EQ(parse_enum<Upsampling>(enum_name(upsampling)), upsampling);
  }
  EXPECT_THAT(thrown<UsageError>([] { parse_enum<Upsampling>("cubic"); }),
              AllOf(HasSubstr("unknown upsampling 'cubic'"), HasSubstr("pixel, latent, latent-nearest")));
}

TEST(UpscaleBilinear, PixelCentersAreAtHalfIntegers) {
  const torch::Tensor x = torch::tensor({0.F, 1.F, 3.F}).reshape({1, 1, 1, 3});
  const torch::Tensor expected = torch::tensor({0.F, 0.25F, 0.75F, 1.5F, 2.5F, 3.F}).reshape({1, 1, 1, 6});
  EXPECT_TRUE(is_close(upsample_bilinear(x, 1, 6), expected, 1e-6));
  EXPECT_TRUE(is_close(upsample_bilinear(x, 4, 6), expected.expand({1, 1, 4, 6}), 1e-6));
}

TEST(UpscaleBilinear, ComputesInFloat32) {
  const torch::Tensor x = torch::rand({1, 1, 3, 3});
  const torch::Tensor upscaled = upsample_bilinear(x.to(torch::kFloat64), 7, 5);
  EXPECT_EQ(upscaled.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::equal(upscaled, upsample_bilinear(x, 7, 5)));
}

TEST(UpsampleLatent, InterpolatesOrRepeats) {
  EXPECT_TRUE(torch::equal(upsample_latent(latent(), Upsampling::latent, 4, 6), upsample_bilinear(latent(), 4, 6)));
  const torch::Tensor nearest = upsample_latent(latent(), Upsampling::latent_nearest, 4, 6);
  EXPECT_TRUE(torch::equal(nearest, latent().repeat_interleave(2, 2).repeat_interleave(2, 3)));
}

TEST(UpsampleLatent, KeepsKnownPixelsAmongNoise) {
  const torch::Tensor noise = torch::full({1, 2, 4, 9}, -5.0);
  const torch::Tensor result = upsample_latent(latent(), Upsampling::noise_upsampling, 4, 9, noise);
  EXPECT_TRUE(torch::equal(result.index({Slice(), Slice(), Slice(None, None, 2), Slice(None, None, 3)}), latent()));
  EXPECT_EQ(result.eq(-5.0).sum().item<std::int64_t>(), 2 * 4 * 9 - 12);
  EXPECT_TRUE(noise.eq(-5.0).all().item<bool>()) << "the noise was written to";
}

TEST(UpsampleLatent, NoiseOfAnotherShapeIsRefused) {
  const auto refusal = [](std::int64_t height, std::int64_t width, const torch::Tensor& noise) {
    return thrown<UsageError>([&] { upsample_latent(latent(), Upsampling::noise_upsampling, height, width, noise); });
  };
  EXPECT_THAT(refusal(4, 6, torch::zeros({1, 2, 4, 7})), HasSubstr("noise of the size of the result"));
  EXPECT_THAT(refusal(4, 7, torch::zeros({1, 2, 4, 7})), HasSubstr("an integer factor"));
  EXPECT_THAT(refusal(4, 6, {}), HasSubstr("noise of the size of the result"));
}

TEST(UpsampleLatent, IdentityChangesNothing) {
  EXPECT_TRUE(torch::equal(upsample_latent(latent(), Upsampling::identity, 2, 3), latent()));
  EXPECT_THAT(thrown<UsageError>([] { upsample_latent(latent(), Upsampling::identity, 4, 6); }),
              HasSubstr("does not change the size"));
}

TEST(UpsampleLatent, PixelUpsamplingIsRefused) {
  EXPECT_THAT(thrown<UsageError>([] { upsample_latent(latent(), Upsampling::pixel, 4, 6); }),
              HasSubstr("works on pixels"));
}

TEST(NoisingAlphaBar, FallsFromOneToZeroByTheFormula) {
  const torch::Tensor& alpha_bar = noising_alpha_bar();
  ASSERT_EQ(alpha_bar.sizes(), at::IntArrayRef({1000}));
  EXPECT_EQ(alpha_bar.scalar_type(), torch::kFloat32);
  EXPECT_TRUE((alpha_bar.slice(0, 1) <= alpha_bar.slice(0, 0, -1)).all().item<bool>());
  EXPECT_GT(alpha_bar[0].item<float>(), 0.9999F);
  EXPECT_LT(alpha_bar[999].item<float>(), 1e-6F);
  for (const int s : {1, 250, 400, 750}) {
    const double tangent = std::tan(std::numbers::pi / 2 * s / 999) + 1e-5;
    EXPECT_NEAR(alpha_bar[s].item<double>(), 1 / (1 + tangent * tangent), 1e-6) << s;
  }
}

TEST(NoisedStart, MixesContextAndNoise) {
  const torch::Tensor context = torch::full({1, 1, 2, 2}, 3.0);
  const torch::Tensor noise = torch::full({1, 1, 2, 2}, -2.0);
  for (const int s : {1, 400, 999}) {
    const double alpha_bar = noising_alpha_bar()[s].item<double>();
    const double expected = std::sqrt(alpha_bar) * 3 - std::sqrt(1 - alpha_bar) * 2;
    EXPECT_TRUE(is_close(noised_start(context, noise, s), torch::full({1, 1, 2, 2}, expected), 1e-6)) << s;
  }
}

TEST(NoisedStart, IsTheContextWithoutNoising) {
  const torch::Tensor context = torch::rand({1, 1, 2, 2});
  for (const int s : {0, -1, -100}) {
    EXPECT_TRUE(torch::equal(noised_start(context, torch::ones({1, 1, 2, 2}), s), context));
  }
}

TEST(NoisedStart, AcceptsOneAlphaBarPerSample) {
  const torch::Tensor context = torch::randn({3, 4, 2, 2});
  const torch::Tensor noise = torch::randn({3, 4, 2, 2});
  const std::vector<std::int64_t> steps{0, 400, 999};
  const torch::Tensor start = noised_start(context, noise, noising_alpha_bar().index({torch::tensor(steps)}));
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(torch::equal(start[i], noised_start(context[i], noise[i], static_cast<int>(steps[i])))) << steps[i];
  }
}

TEST(NoisedStart, HasAThousandSteps) {
  const torch::Tensor x = torch::zeros({1});
  EXPECT_THAT(thrown<UsageError>([&] { noised_start(x, x, 1000); }), HasSubstr("at most 999, got 1000"));
}

}  // namespace
}  // namespace fmboost
