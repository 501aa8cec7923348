#include "support/compare.h"

#include <cmath>
#include <gmock/gmock.h>
#include <limits>

namespace fmboost::test {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Compare, ShapeIsCheckedFirst) {
  EXPECT_THAT(compare(torch::full({2, 3}, kNan), torch::ones({3, 2})).problem, HasSubstr("shape"));
  EXPECT_THAT(compare(torch::ones({1}), torch::ones({})).problem, HasSubstr("shape"));
  EXPECT_THAT(compare(torch::ones({0}), torch::ones({0})).problem, HasSubstr("nothing to compare"));
}

TEST(Compare, NonFiniteNumbersAreCheckedNext) {
  EXPECT_THAT(compare(torch::tensor({1.F, kNan}), torch::ones({2})).problem, HasSubstr("result"));
  EXPECT_THAT(compare(torch::ones({2}), torch::tensor({1.F, INFINITY})).problem, HasSubstr("reference"));
}

TEST(Compare, LargestDifferenceIsRelativeToTheLargestReference) {
  EXPECT_DOUBLE_EQ(compare(torch::tensor({1.0, 2.5, -8.0}), torch::tensor({1.0, 2.0, -8.0})).error, 0.5 / 8);
  EXPECT_EQ(compare(torch::ones({3}), torch::ones({3})).error, 0);
}

TEST(Compare, ComputesInFloat64) {
  const torch::Tensor one = torch::ones({1}, torch::kFloat64);
  EXPECT_NEAR(compare(one + 1e-12, one).error, 1e-12, 1e-15);
}

TEST(Compare, ReferenceOfZerosAllowsNoDifference) {
  EXPECT_EQ(compare(torch::zeros({2}), torch::zeros({2})).error, 0);
  EXPECT_TRUE(std::isinf(compare(torch::tensor({0.F, 1e-9F}), torch::zeros({2})).error));
}

TEST(IsClose, HoldsUpToTheToleranceAndExplainsFailures) {
  const torch::Tensor reference = torch::tensor({1.0, 4.0});
  EXPECT_TRUE(is_close(torch::tensor({1.0, 5.0}), reference, 0.25));
  const auto refused = is_close(torch::tensor({1.0, 5.0}), reference, 0.24);
  EXPECT_FALSE(refused);
  EXPECT_THAT(refused.message(), HasSubstr("0.25"));
  EXPECT_THAT(is_close(torch::ones({3}), reference, 1.0).message(), HasSubstr("shape"));
}

}  // namespace
}  // namespace fmboost::test
