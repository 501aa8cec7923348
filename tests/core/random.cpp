#include "fmboost/core/random.h"

#include <gtest/gtest.h>
#include <set>
#include <torch/types.h>

namespace fmboost {
namespace {

void expect_numbers(const torch::Tensor& noise, const std::vector<double>& expected) {
  ASSERT_EQ(noise.numel(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(noise.flatten()[static_cast<std::int64_t>(i)].item<double>(), expected[i], 1e-6) << i;
  }
}

// The numbers of torch.randn(4, generator=torch.Generator("cpu").manual_seed(seed)), PyTorch 2.11.
TEST(GaussianNoise, MatchesPyTorchsCpuGenerator) {
  const std::pair<std::uint64_t, std::vector<double>> references[] = {
      {0, {1.54099607, -0.293428898, -2.17878938, 0.568431258}},
      {42, {0.336690366, 0.128809407, 0.234462366, 0.23033303}},
      {4294967295, {1.21976304, -0.392979473, 1.02307510, -0.373421133}},
      {(std::uint64_t{1} << 63) + 5, {-0.486780763, -0.603821576, -0.55809623, 0.667524278}}};
  for (const auto& [seed, numbers] : references) {
    auto generator = cpu_generator(seed);
    expect_numbers(gaussian_noise({4}, generator), numbers);
  }
}

// From 16 numbers on PyTorch draws in another order. torch.randn((2, 3, 4, 5), ...), then torch.randn(3, ...).
TEST(GaussianNoise, MatchesPyTorchForWholeImagesAndLaterDraws) {
  auto generator = cpu_generator(42);
  const auto noise = gaussian_noise({2, 3, 4, 5}, generator);
  EXPECT_EQ(noise.sizes(), (std::vector<std::int64_t>{2, 3, 4, 5}));
  EXPECT_EQ(noise.dtype(), torch::kFloat32);
  const auto picked = noise.flatten().index_select(0, torch::tensor({0, 1, 17, 63, 119}));
  expect_numbers(picked, {1.92691529, 1.48728406, -0.159597471, 1.38354933, 0.440530121});
  expect_numbers(gaussian_noise({3}, generator).slice(0, 0, 1), {-0.238724172});
}

TEST(GaussianNoise, RepeatsForTheSameSeedOnly) {
  auto first = cpu_generator(7);
  auto second = cpu_generator(7);
  auto other = cpu_generator(8);
  const auto noise = gaussian_noise({100}, first);
  EXPECT_TRUE(torch::equal(noise, gaussian_noise({100}, second)));
  EXPECT_FALSE(torch::equal(noise, gaussian_noise({100}, other)));
}

// Images must stay the same from version to version. The numbers come from a transcription into Python.
TEST(DeriveSeed, NeverChanges) {
  EXPECT_EQ(derive_seed(42, "coupling-0"), 15620855225134319503ULL);
  EXPECT_EQ(derive_seed(42, "coupling-1"), 9694450652444437324ULL);
  EXPECT_EQ(derive_seed(43, "coupling-0"), 10740715314878563777ULL);
  EXPECT_EQ(derive_seed(0, ""), 14087677454934409008ULL);
  EXPECT_EQ(derive_seed(18446744073709551615ULL, "denoise"), 9776318905033107566ULL);
}

TEST(DeriveSeed, KeepsStagesAndSeedsApart) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    for (const auto stage : {"low-res", "coupling-0", "coupling-1"}) {
      seeds.insert(derive_seed(seed, stage));
    }
  }
  EXPECT_EQ(seeds.size(), 3000U);
}

TEST(RandomSeed, FitsOtherToolsAndVaries) {
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 16; ++i) {
    seeds.insert(random_seed());
  }
  EXPECT_LE(*seeds.rbegin(), 4294967295ULL);
  EXPECT_GT(seeds.size(), 8U);
}

}  // namespace
}  // namespace fmboost
