#include "report.h"

#include <sstream>

#include "support/compare.h"

namespace fmboost::parity {
namespace {

std::string short_number(double value) {
  std::ostringstream text;
  text.precision(2);
  text << value;
  return text.str();
}

}  // namespace

void Report::compare(const std::string& what, const torch::Tensor& result, const torch::Tensor& reference,
                     double tolerance) {
  ++count_;
  const auto [error, problem] = test::compare(result, reference);
  if (!problem.empty()) {
    fail(what + ": " + problem);
    return;
  }
  Worst& worst = worst_[tolerance];
  if (worst.what.empty() || error > worst.error) {
    worst = {error, what};
  }
  if (!(error <= tolerance)) {
    fail(what + ": the error is " + short_number(error) + ", allowed are " + short_number(tolerance));
  }
}

void Report::compare(const std::string& what, double result, double reference, double tolerance) {
  compare(what, torch::tensor(result, torch::kFloat64), torch::tensor(reference, torch::kFloat64), tolerance);
}

std::string Report::summary() const {
  std::string text;
  for (const auto& [tolerance, worst] : worst_) {
    text += (text.empty() ? "largest error " : ", ") + short_number(worst.error) + " of " + short_number(tolerance) +
            " allowed (" + worst.what + ")";
  }
  return text.empty() ? "no number could be compared" : text;
}

Report make_report(const std::function<void(Report&)>& body) {
  const torch::NoGradGuard no_grad;
  Report report;
  try {
    body(report);
    if (report.count() == 0) {
      report.fail("it holds nothing to compare");
    }
  } catch (const c10::Error& error) {
    report.fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    report.fail(error.what());
  }
  return report;
}

}  // namespace fmboost::parity
