#include "fmboost/eval/statistics.h"

#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

TEST(StudentT, BoundsMatchTheTables) {
  EXPECT_NEAR(student_t_bound(1, 0.95), 12.706204736, 1e-8);
  EXPECT_NEAR(student_t_bound(2, 0.95), 4.3026527297, 1e-9);
  EXPECT_NEAR(student_t_bound(3, 0.99), 5.8409093097, 1e-9);
  EXPECT_NEAR(student_t_bound(13, 0.95), 2.1603686565, 1e-9);
  EXPECT_NEAR(student_t_bound(30, 0.90), 1.6972608866, 1e-9);
  EXPECT_NEAR(student_t_bound(4999, 0.95), 1.9604385, 1e-6);
  EXPECT_NEAR(student_t_bound(50000, 0.95), 1.9600112, 1e-6);
}

TEST(EstimateMean, ReturnsMeanAndHalfConfidenceInterval) {
  const std::vector<double> values{30.0, 32.0, 28.0, 34.0};
  const Estimate estimate = estimate_mean(values);
  EXPECT_DOUBLE_EQ(estimate.mean, 31.0);
  ASSERT_TRUE(estimate.half_width.has_value());
  EXPECT_NEAR(*estimate.half_width, 3.18244630528 * 2.58198889747 / 2.0, 1e-9);  // t of 3 degrees, s, sqrt(n)
}

TEST(EstimateMean, EqualValuesHaveAnIntervalOfZero) {
  const std::vector<double> values(5, 27.5);
  EXPECT_DOUBLE_EQ(estimate_mean(values).half_width.value(), 0.0);
}

TEST(EstimateMean, SingleOrInfiniteValuesHaveNoInterval) {
  const std::vector<double> one{3.0};
  EXPECT_FALSE(estimate_mean(one).half_width.has_value());
  const std::vector<double> infinite{3.0, std::numeric_limits<double>::infinity()};
  EXPECT_FALSE(estimate_mean(infinite).half_width.has_value());
  EXPECT_EQ(estimate_mean(infinite).mean, std::numeric_limits<double>::infinity());
}

TEST(EstimateMean, NoValuesAreAnError) {
  EXPECT_THROW(estimate_mean({}), Error);
}

}  // namespace
}  // namespace fmboost
