#include <regex>

#include "fmboost/core/error.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/flow/path.h"

#include "kinds.h"

namespace fmboost::parity {

void replay_forward_diffusion(Reference& reference, Report& report) {
  constexpr std::string_view kOutput = "output.";
  const torch::Tensor x = reference.input("input.x");
  const torch::Tensor noise = reference.input("input.noise");
  report.compare("alpha_bar", noising_alpha_bar(), reference.expected("alpha_bar"), kNetworkTolerance);
  for (const auto& name : reference.unused()) {
    if (name.starts_with(kOutput)) {
      const int step = parse_count(name.substr(kOutput.size()), "the noising step of '" + name + "'");
      report.compare(name, noised_start(x, noise, step), reference.expected(name), kNetworkTolerance);
    }
  }
}

void replay_interpolants(Reference& reference, Report& report) {
  static const std::regex pattern(R"((\w+)\.(xt|ut|score|noise))");
  const torch::Tensor t = reference.input("input.t");
  const torch::Tensor x0 = reference.input("input.x0");
  const torch::Tensor x1 = reference.input("input.x1");
  for (const auto& name : reference.unused()) {
    std::smatch parts;
    if (!std::regex_match(name, parts, pattern) || name.starts_with("input.")) {
      continue;
    }
    const Path path(parse_enum<PathKind>(parts[1].str()));
    const std::string quantity = parts[2].str();
    const torch::Tensor xt = path.interpolate(t, x0, x1);
    const torch::Tensor ut = path.velocity(t, x0, x1);
    const torch::Tensor result = quantity == "xt"      ? xt
                                 : quantity == "ut"    ? ut
                                 : quantity == "score" ? path.score_from_velocity(t, xt, ut)
                                                       : path.noise_from_velocity(t, xt, ut);
    report.compare(name, result, reference.expected(name), kNetworkTolerance);
  }
}

}  // namespace fmboost::parity
