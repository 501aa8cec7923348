#include <regex>

#include "fmboost/core/error.h"

#include "flow_field.h"
#include "kinds.h"

namespace fmboost::parity {

void replay_ode(Reference& reference, Report& report) {
  // METHOD.POINTS or METHOD.POINTS.reverse
  static const std::regex pattern(R"(([^.]+)\.(\d+)(\.reverse)?)");
  const VelocityField field = flow_field(reference);
  const torch::Tensor x = reference.input("input.x");
  for (const auto& name : reference.unused()) {
    std::smatch parts;
    if (!std::regex_match(name, parts, pattern)) {
      continue;
    }
    OdeOptions options;
    options.method = parts[1].str();
    options.steps = parse_count(parts[2].str(), "the points of '" + name + "'") - 1;
    const bool adaptive = options.method == "dopri5" || options.method == "bosh3";
    // From t = 1 to t = 0: forward in 1 - t.
    const VelocityField backward = [&](double t, const torch::Tensor& state) { return -field(1 - t, state); };
    report.compare(name, solve_ode(parts[3].matched ? backward : field, x, options), reference.expected(name),
                   adaptive ? kAdaptiveTolerance : kFixedGridTolerance);
  }
}

}  // namespace fmboost::parity
