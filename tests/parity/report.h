#pragma once

#include <functional>
#include <map>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost::parity {

/// What the replay of one file found: its largest error for every tolerance in use, and all that was wrong.
class Report {
 public:
  /// Both fail the report, naming `what`, when the error is above the tolerance or does not exist.
  void compare(const std::string& what, const torch::Tensor& result, const torch::Tensor& reference, double tolerance);
  void compare(const std::string& what, double result, double reference, double tolerance);
  void fail(const std::string& problem) { failures_.push_back(problem); }

  bool passed() const { return failures_.empty() && count_ > 0; }
  std::size_t count() const { return count_; }  ///< comparisons made
  const std::vector<std::string>& failures() const { return failures_; }

  /// "largest error 3.1e-07 of 1e-05 allowed (euler.11)", joined by commas.
  std::string summary() const;

 private:
  struct Worst {
    double error = 0;
    std::string what;
  };

  std::size_t count_ = 0;
  std::map<double, Worst> worst_;  ///< by tolerance
  std::vector<std::string> failures_;
};

/// The report that `body` fills; what it throws is a failure of the report, and so is having compared nothing.
Report make_report(const std::function<void(Report&)>& body);

}  // namespace fmboost::parity
