#include "core/finite.h"

#include <gtest/gtest.h>
#include <limits>

namespace fmboost {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr torch::ScalarType kTypes[] = {torch::kFloat16, torch::kBFloat16, torch::kFloat32, torch::kFloat64,
                                        torch::kFloat8_e5m2};

TEST(AllFinite, FindsNanAndInfinityAtAnyPosition) {
  for (const auto dtype : kTypes) {
    for (const std::int64_t size : {1, 7, 64, 1000}) {
      EXPECT_TRUE(all_finite(torch::zeros({size}).to(dtype)));
      for (const double value : {kInfinity, -kInfinity, kNan, -kNan}) {
        torch::Tensor tensor = torch::ones({size});
        tensor[size - 1] = value;
        EXPECT_FALSE(all_finite(tensor.to(dtype))) << dtype << " " << size << " " << value;
      }
    }
  }
}

TEST(AllFinite, AcceptsTheLargestAndSmallestNumbers) {
  for (const auto& [dtype, largest, smallest] : {std::tuple{torch::kFloat16, 65504.0, 6e-8},
                                                 {torch::kFloat32, 3.4e38, 1.4e-45},
                                                 {torch::kBFloat16, 3.3e38, 1e-40}}) {
    EXPECT_TRUE(all_finite(torch::tensor({largest, -largest, smallest, 0.0, -0.0}, torch::kFloat64).to(dtype)));
  }
}

TEST(AllFinite, AcceptsEmptyAndNonContiguousTensors) {
  torch::Tensor tensor = torch::ones({4, 6});
  EXPECT_TRUE(all_finite(tensor.transpose(0, 1)));
  tensor[3][1] = kNan;
  EXPECT_FALSE(all_finite(tensor.transpose(0, 1)));
  EXPECT_TRUE(all_finite(tensor.slice(1, 2)));
  EXPECT_TRUE(all_finite(torch::empty({0, 3})));
}

}  // namespace
}  // namespace fmboost
