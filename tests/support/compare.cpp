#include "compare.h"

#include <limits>

namespace fmboost::test {
namespace {

bool all_finite(const torch::Tensor& x) {
  return x.isfinite().all().item<bool>();
}

}  // namespace

Comparison compare(const torch::Tensor& result, const torch::Tensor& reference) {
  const torch::NoGradGuard no_grad;
  if (result.sizes() != reference.sizes()) {
    return {0, c10::str("the shape is ", result.sizes(), ", the reference's is ", reference.sizes())};
  }
  if (reference.numel() == 0) {
    return {0, c10::str("there is nothing to compare in the shape ", reference.sizes())};
  }
  const torch::Tensor wanted = reference.to(torch::kCPU, torch::kFloat64);
  const torch::Tensor found = result.to(torch::kCPU, torch::kFloat64);
  if (!all_finite(wanted)) {
    return {0, "the reference has numbers that are not finite"};
  }
  if (!all_finite(found)) {
    return {0, "the result has numbers that are not finite"};
  }
  const auto difference = (found - wanted).abs().max().item<double>();
  const auto size = wanted.abs().max().item<double>();
  if (size == 0) {
    return {difference == 0 ? 0 : std::numeric_limits<double>::infinity(), ""};
  }
  return {difference / size, ""};
}

testing::AssertionResult is_close(const torch::Tensor& result, const torch::Tensor& reference, double tolerance) {
  const Comparison found = compare(result, reference);
  if (!found.problem.empty()) {
    return testing::AssertionFailure() << found.problem;
  }
  if (!(found.error <= tolerance)) {
    return testing::AssertionFailure() << "the error is " << found.error << ", allowed are " << tolerance;
  }
  return testing::AssertionSuccess() << "the error is " << found.error;
}

}  // namespace fmboost::test
