#include <algorithm>
#include <regex>

#include "fmboost/core/error.h"
#include "fmboost/flow/sde_solver.h"

#include "flow_field.h"
#include "kinds.h"

namespace fmboost::parity {
namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The method and the form of the diffusion come from the name, sde_METHOD_FORM or sde_METHOD_FORM_POINTS, the rest from
// the metadata.
SdeOptions sde_options(const Reference& reference) {
  static const std::regex pattern(R"(sde_([^_]+)_(.+?)(_\d+)?)");
  std::smatch parts;
  const std::string stem = reference.stem();
  if (!std::regex_match(stem, parts, pattern)) {
    throw Error("its name must be sde_METHOD_FORM");
  }
  SdeOptions options;
  options.method = parse_enum<SdeMethod>(parts[1].str());
  std::string form = parts[2].str();
  std::replace(form.begin(), form.end(), '_', '-');
  options.diffusion = parse_enum<DiffusionForm>(form);
  options.points = parse_count(reference.metadata("points").value_or(""), "its metadata 'points'");
  if (const auto last_step = reference.metadata("last_step")) {
    options.last_step = parse_enum<SdeLastStep>(lower_case(*last_step));
  }
  options.last_step_size = reference.number("last_step_size");
  if (reference.metadata("diffusion_norm")) {
    options.diffusion_norm = reference.number("diffusion_norm");
  }
  return options;
}

}  // namespace

void replay_sde(Reference& reference, Report& report) {
  const SdeOptions options = sde_options(reference);
  const Path path(parse_enum<PathKind>(lower_case(reference.metadata("path").value_or("linear"))));
  const torch::Tensor noises = reference.input("noise");
  std::int64_t drawn = 0;
  const auto noise = [&] {
    if (drawn == noises.size(0)) {
      throw Error("the solver draws noise more often than the " + std::to_string(drawn) + " times of the reference");
    }
    return noises[drawn++];
  };
  const torch::Tensor output = solve_sde(flow_field(reference), reference.input("input.x"), path, options, noise);
  report.compare("output", output, reference.expected("output"), kFixedGridTolerance);
  report.compare("draws of noise", static_cast<double>(drawn), static_cast<double>(noises.size(0)), 0);
}

}  // namespace fmboost::parity
