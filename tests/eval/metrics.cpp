#include "fmboost/image/metrics.h"

#include <cmath>
#include <gmock/gmock.h>
#include <limits>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::HasSubstr;

torch::Tensor random_image(std::int64_t height, std::int64_t width, std::uint64_t seed) {
  auto generator = cpu_generator(seed);
  return (gaussian_noise({3, height, width}, generator) * 0.3).clamp(-1, 1);
}

// SSIM written down from its definition, one window at a time.
double plain_ssim(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor x = torch::arange(-5, 6, torch::kFloat64);
  torch::Tensor window = (-(x.square().unsqueeze(0) + x.square().unsqueeze(1)) / (2 * 1.5 * 1.5)).exp();
  window = window / window.sum();
  const auto mean = [&](const torch::Tensor& values) { return (window * values).sum().item<double>(); };
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t row = 0; row + 11 <= a.size(0); ++row) {
    for (std::int64_t column = 0; column + 11 <= a.size(1); ++column, ++count) {
      const torch::Tensor p = a.narrow(0, row, 11).narrow(1, column, 11);
      const torch::Tensor q = b.narrow(0, row, 11).narrow(1, column, 11);
      const double mp = mean(p);
      const double mq = mean(q);
      const double vp = mean((p - mp).square());
      const double vq = mean((q - mq).square());
      const double covariance = mean((p - mp) * (q - mq));
      constexpr double kC1 = 2.55 * 2.55;
      constexpr double kC2 = 7.65 * 7.65;
      sum += (2 * mp * mq + kC1) * (2 * covariance + kC2) / ((mp * mp + mq * mq + kC1) * (vp + vq + kC2));
    }
  }
  return sum / static_cast<double>(count);
}

TEST(Quality, ConstantErrorMatchesTheFormulas) {
  const torch::Tensor reference = random_image(20, 24, 1);
  const Quality quality = measure_quality(reference + 10.0 / 127.5, reference);
  EXPECT_NEAR(quality.mse, 100.0, 1e-3);
  EXPECT_NEAR(quality.psnr_rgb, 10 * std::log10(255.0 * 255.0 / 100.0), 1e-4);
  EXPECT_NEAR(quality.psnr_y, 20 * std::log10(255.0 / (10 * 219.0 / 255.0)), 1e-4);  // luma spans 219 of 255
  EXPECT_NEAR(quality.color_shift, 10.0, 1e-4);
}

TEST(Quality, EqualImagesArePerfect) {
  const torch::Tensor image = random_image(16, 16, 2);
  const Quality quality = measure_quality(image, image);
  EXPECT_EQ(quality.mse, 0.0);
  EXPECT_EQ(quality.psnr_rgb, std::numeric_limits<double>::infinity());
  EXPECT_EQ(quality.psnr_y, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(quality.ssim_rgb, 1.0, 1e-12);
  EXPECT_NEAR(quality.ssim_y, 1.0, 1e-12);
  EXPECT_EQ(quality.color_shift, 0.0);
}

TEST(Quality, BorderIsLeftOut) {
  const torch::Tensor reference = random_image(24, 30, 3);
  torch::Tensor image = reference.clone();
  image.slice(1, 0, 4).fill_(1.0);
  image.slice(2, 27, 30).fill_(-1.0);
  EXPECT_GT(measure_quality(image, reference, 3).mse, 500.0);
  EXPECT_EQ(measure_quality(image, reference, 4).mse, 0.0);
}

TEST(Quality, ColorShiftIsThatOfTheWorstChannelWithItsSign) {
  const torch::Tensor reference = random_image(16, 16, 4);
  torch::Tensor image = reference.clone();
  image[2].sub_(4.0 / 127.5);
  image[1].slice(0, 0, 8).add_(20.0 / 127.5);  // what is added above and taken away below is no shift
  image[1].slice(0, 8, 16).sub_(20.0 / 127.5);
  EXPECT_NEAR(measure_quality(image, reference).color_shift, 4.0, 1e-4);
}

TEST(Quality, ImagesThatCannotBeComparedAreRefused) {
  const torch::Tensor image = random_image(16, 16, 5);
  EXPECT_THAT(test::thrown<Error>([&] { measure_quality(image, random_image(16, 17, 5)); }),
              HasSubstr("16x16 and 17x16"));
  EXPECT_THAT(test::thrown<Error>([&] { measure_quality(image, image, 3); }), HasSubstr("at least 17x17"));
  EXPECT_NO_THROW(measure_quality(image, image, 2));
}

TEST(Luma, RangeIs16To235) {
  const torch::Tensor black_and_white = torch::tensor({0.0, 255.0}, torch::kFloat64).view({1, 1, 2}).expand({3, 1, 2});
  const torch::Tensor y = luma(black_and_white);
  EXPECT_EQ(y.size(0), 1);
  EXPECT_NEAR(y[0][0][0].item<double>(), 16.0, 1e-12);
  EXPECT_NEAR(y[0][0][1].item<double>(), 235.0, 1e-9);
}

TEST(Luma, GreenHasTheLargestWeight) {
  const torch::Tensor primaries = 255 * torch::eye(3, torch::kFloat64).view({3, 1, 3});
  const torch::Tensor y = luma(primaries)[0][0];
  EXPECT_NEAR(y[0].item<double>(), 16 + 65.481, 1e-9);
  EXPECT_NEAR(y[1].item<double>(), 16 + 128.553, 1e-9);
  EXPECT_NEAR(y[2].item<double>(), 16 + 24.966, 1e-9);
}

TEST(Ssim, MatchesItsDefinition) {
  // Taller than the bands that the computation goes in.
  const torch::Tensor a = (random_image(90, 14, 6)[0].to(torch::kFloat64) + 1) * 127.5;
  const torch::Tensor b = a + 12 * random_image(90, 14, 7)[0].to(torch::kFloat64);
  const double expected = plain_ssim(a, b);
  EXPECT_GT(expected, 0.5);
  EXPECT_LT(expected, 0.9999);
  EXPECT_NEAR(ssim(a.unsqueeze(0), b.unsqueeze(0)), expected, 1e-10);
}

TEST(Ssim, SeveralChannelsGiveTheirMean) {
  const torch::Tensor a = (random_image(20, 20, 8).to(torch::kFloat64) + 1) * 127.5;
  const torch::Tensor b = (random_image(20, 20, 9).to(torch::kFloat64) + 1) * 127.5;
  double sum = 0;
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    sum += ssim(a.slice(0, channel, channel + 1), b.slice(0, channel, channel + 1));
  }
  EXPECT_NEAR(ssim(a, b), sum / 3, 1e-12);
}

TEST(Quality, SharpnessIsTheShareOfTheNeighborDifference) {
  const torch::Tensor reference = random_image(40, 40, 7);
  EXPECT_NEAR(measure_quality(reference * 0.5, reference).sharpness, 0.5, 1e-5);
  EXPECT_NEAR(measure_quality(reference + 0.01, reference).sharpness, 1.0, 1e-4);
  EXPECT_TRUE(std::isnan(measure_quality(reference, torch::zeros({3, 40, 40})).sharpness));
}

TEST(Quality, GrainIsMeasuredInTheFlatSquaresOfTheReference) {
  torch::Tensor reference = random_image(64, 96, 8);
  reference.slice(1, 16, 32).slice(2, 48, 64) = 0.25;
  const torch::Tensor corners = flat_squares(luma((reference.to(torch::kFloat64) + 1) * 127.5));
  ASSERT_EQ(corners.size(0), 1);  // of 24
  EXPECT_EQ(corners[0][0].item<int>(), 16);
  EXPECT_EQ(corners[0][1].item<int>(), 48);
  torch::Tensor noisy = reference.clone();
  noisy.slice(1, 16, 32).slice(2, 48, 64).slice(2, 0, 16, 2) += 10 / 127.5;  // columns alternate by 10
  // Horizontal neighbors differ by 10 * 219 / 255, vertical ones not at all, and there are as many of both.
  EXPECT_NEAR(measure_quality(noisy, reference).grain, 5 * 219.0 / 255.0, 1e-3);
  EXPECT_NEAR(measure_quality(reference, noisy).sharpness, 1, 0.05);
  torch::Tensor elsewhere = reference.clone();
  elsewhere.slice(1, 32, 64) *= 2;
  EXPECT_NEAR(measure_quality(elsewhere, reference).grain, 0, 1e-6);
}

}  // namespace
}  // namespace fmboost
