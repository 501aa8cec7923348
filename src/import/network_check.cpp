#include "import/network_check.h"

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

void append_problem(std::string& text, const std::string& what, const std::vector<std::string>& names) {
  if (!names.empty()) {
    text += (text.empty() ? "" : "; ") + what + " (" + std::to_string(names.size()) + "): " + first_few(names);
  }
}

}  // namespace

void check_network(const torch::nn::Module& network, const Weights& weights, const std::string& what,
                   const std::string& origin) {
  std::vector<std::string> missing;
  std::vector<std::string> misshaped;
  std::vector<std::string> extra;
  const auto parameters = network.named_parameters();
  for (const auto& item : parameters) {
    const auto found = weights.find(item.key());
    if (found == weights.end()) {
      missing.push_back(item.key());
    } else if (item.value().sizes() != found->second.shape) {
      misshaped.push_back(c10::str(found->second.origin, " is ", c10::IntArrayRef(found->second.shape), " where ",
                                   item.key(), " is ", item.value().sizes()));
    }
  }
  for (const auto& [name, weight] : weights) {
    if (!parameters.contains(name)) {
      extra.push_back(name);
    }
  }
  std::string problems;
  append_problem(problems, "missing", missing);
  append_problem(problems, "of another shape", misshaped);
  append_problem(problems, "unknown", extra);
  if (!problems.empty()) {
    throw ModelError("'" + origin + "' does not match the configuration of " + what + ", tensors " + problems);
  }
}

}  // namespace fmboost
