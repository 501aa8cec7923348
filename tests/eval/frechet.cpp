#include "fmboost/eval/frechet.h"

#include <cmath>
#include <gmock/gmock.h>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::HasSubstr;

torch::Tensor random_features(std::int64_t count, std::int64_t width, std::uint64_t seed) {
  auto generator = cpu_generator(seed);
  return gaussian_noise({count, width}, generator);
}

FeatureStatistics statistics_of(const torch::Tensor& features) {
  FeatureStatistics statistics;
  statistics.add(features);
  return statistics;
}

TEST(FeatureStatistics, ResultDoesNotDependOnTheBatches) {
  const torch::Tensor all = random_features(50, 6, 1) * 3 + 100;
  FeatureStatistics statistics;
  for (const auto& [first, last] : {std::pair{0, 1}, {1, 20}, {20, 20}, {20, 50}}) {
    statistics.add(all.slice(0, first, last));
  }
  EXPECT_EQ(statistics.count(), 50);
  EXPECT_EQ(statistics.width(), 6);
  const torch::Tensor expected = all.to(torch::kFloat64);
  EXPECT_TRUE(test::is_close(statistics.mean(), expected.mean(0), 1e-14));
  EXPECT_TRUE(test::is_close(statistics.covariance(), expected.t().cov(), 1e-12));
}

TEST(FeatureStatistics, PrecisionIsKeptFarFromZero) {
  const torch::Tensor all = (random_features(40, 3, 2) * 1e-3).to(torch::kFloat64) + 1e4;
  FeatureStatistics statistics;
  for (const auto& part : all.chunk(7)) {
    statistics.add(part);
  }
  EXPECT_TRUE(test::is_close(statistics.covariance(), (all - 1e4).t().cov(), 1e-6));
}

TEST(FeatureStatistics, OtherWidthAndTooFewVectorsAreRefused) {
  FeatureStatistics statistics = statistics_of(random_features(1, 4, 3));
  EXPECT_THAT(test::thrown<Error>([&] { statistics.covariance(); }), HasSubstr("at least two images, got 1"));
  EXPECT_THAT(test::thrown<Error>([&] { statistics.add(random_features(2, 5, 3)); }), HasSubstr("(images, 4)"));
}

TEST(FrechetDistance, OneFeatureMatchesTheFormula) {
  const torch::Tensor a = random_features(30, 1, 4);
  const torch::Tensor b = random_features(40, 1, 5) * 2 + 3;
  const auto moments = [](const torch::Tensor& x) {
    return std::pair(x.to(torch::kFloat64).mean().item<double>(), x.to(torch::kFloat64).std().item<double>());
  };
  const auto [mean_a, deviation_a] = moments(a);
  const auto [mean_b, deviation_b] = moments(b);
  EXPECT_NEAR(frechet_distance(statistics_of(a), statistics_of(b)),
              std::pow(mean_a - mean_b, 2) + std::pow(deviation_a - deviation_b, 2), 1e-10);
}

TEST(FrechetDistance, MatchesScipyForNonCommutingCovariances) {
  const torch::Tensor a = torch::tensor({{0., 0.}, {2., 0.}, {1., 3.}, {1., 1.}, {4., 2.}}, torch::kFloat64);
  const torch::Tensor b = torch::tensor({{1., 1.}, {3., 4.}, {2., 2.}, {0., 5.}, {1., 0.}, {2., -1.}}, torch::kFloat64);
  EXPECT_NEAR(frechet_distance(statistics_of(a), statistics_of(b)), 1.849156686961579, 1e-10);
  EXPECT_NEAR(frechet_distance(statistics_of(b), statistics_of(a)), 1.849156686961579, 1e-10);
}

TEST(FrechetDistance, IsZeroForEqualSets) {
  const FeatureStatistics set = statistics_of(random_features(100, 20, 6));
  const double distance = frechet_distance(set, set);
  EXPECT_GE(distance, 0.0);
  EXPECT_LT(distance, 1e-10);
}

TEST(FrechetDistance, ShiftGivesItsSquare) {
  const torch::Tensor features = random_features(100, 16, 7).to(torch::kFloat64);
  EXPECT_NEAR(frechet_distance(statistics_of(features), statistics_of(features + 0.5)), 16 * 0.25, 1e-9);
}

TEST(FrechetDistance, TooFewImagesForFullRankAreRefused) {
  const FeatureStatistics few = statistics_of(random_features(8, 8, 8));
  const FeatureStatistics enough = statistics_of(random_features(9, 8, 9));
  EXPECT_NO_THROW(frechet_distance(enough, enough));
  EXPECT_THAT(test::thrown<Error>([&] { frechet_distance(enough, few); }),
              HasSubstr("needs at least 9 images per set for covariances of full rank, got 9 and 8"));
}

TEST(FrechetDistance, FewImagesAreAcceptedOnRequest) {
  const torch::Tensor features = random_features(5, 8, 10).to(torch::kFloat64);
  const auto distance = [](const torch::Tensor& a, const torch::Tensor& b) {
    return frechet_distance(statistics_of(a), statistics_of(b), FewImages::allow);
  };
  EXPECT_NEAR(distance(features, features + 1.0), 8.0, 1e-6);
  EXPECT_THAT(test::thrown<Error>([&] { distance(features, features.slice(0, 0, 1)); }), HasSubstr("at least 2"));
}

TEST(FrechetDistance, SetsWithDifferentWidthsAreRefused) {
  EXPECT_THAT(test::thrown<Error>([] {
                frechet_distance(statistics_of(random_features(20, 3, 11)), statistics_of(random_features(20, 4, 12)));
              }),
              HasSubstr("3 and 4 features"));
}

}  // namespace
}  // namespace fmboost
