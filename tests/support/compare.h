#pragma once

#include <gtest/gtest.h>
#include <string>
#include <torch/types.h>

namespace fmboost::test {

/// How far a result is from its reference.
struct Comparison {
  double error = 0;     ///< max|result - reference| / max|reference|, in float64; infinite beside a reference of zeros
  std::string problem;  ///< why there is no such number: another shape, no elements, or numbers that are not finite
};

/// Looks at the shapes first, then for numbers that are not finite, then at the largest difference.
Comparison compare(const torch::Tensor& result, const torch::Tensor& reference);

/// For EXPECT_TRUE: whether the error is at most `tolerance`.
testing::AssertionResult is_close(const torch::Tensor& result, const torch::Tensor& reference, double tolerance);

}  // namespace fmboost::test
