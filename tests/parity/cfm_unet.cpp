#include "nn/cfm/cfm_unet.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <zlib.h>

#include "fmboost/core/error.h"

#include "kinds.h"
#include "nn/layers/load_weights.h"

namespace fmboost::parity {
namespace {

// amp sin(12.9898 i + 2 pi crc32(name) / 2^32) at flat index i, in float64, + 1 for the weights of the normalizations
// (the only vectors called so). amp = sqrt(2 / elements of one output row), 0.1 for vectors.
torch::Tensor formula_tensor(const std::string& name, const torch::Tensor& like) {
  const bool vector = like.dim() == 1;
  const double row = vector ? 1.0 : static_cast<double>(like.numel()) / static_cast<double>(like.size(0));
  const double amplitude = vector ? 0.1 : std::sqrt(2.0 / row);
  const auto checksum = ::crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size()));
  const double phase = 2 * std::numbers::pi * static_cast<double>(checksum) / std::exp2(32);
  torch::Tensor values = torch::arange(like.numel(), torch::kFloat64).mul_(12.9898).add_(phase).sin_().mul_(amplitude);
  const bool norm = vector && name.ends_with(".weight");
  return values.add_(norm ? 1.0 : 0.0).to(torch::kFloat32).reshape(like.sizes());
}

void fill_from_formula(torch::nn::Module& network) {
  for (auto& parameter : network.named_parameters()) {
    parameter.value().copy_(formula_tensor(parameter.key(), parameter.value()));
  }
}

std::set<std::string> parameter_names(const torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& parameter : network.named_parameters()) {
    names.insert(parameter.key());
  }
  return names;
}

// Files without weights list the parameters instead.
void check_parameters(const torch::nn::Module& network, const Reference& reference, Report& report) {
  const auto keys = nlohmann::json::parse(reference.metadata("keys").value_or("[]")).get<std::set<std::string>>();
  if (keys != parameter_names(network)) {
    report.fail("its metadata 'keys' must be the names of the network's parameters");
  }
  double count = 0;
  for (const auto& parameter : network.parameters()) {
    count += static_cast<double>(parameter.numel());
  }
  report.compare("number of parameters", count, reference.number("parameters"), 0);
}

}  // namespace

void replay_cfm_unet(Reference& reference, Report& report) {
  const auto config = reference.metadata("config");
  if (!config) {
    throw Error("its metadata lacks 'config', the configuration of the network");
  }
  CfmUnet network(parse_cfm_unet_options(*config, "config"));
  network->eval();
  const auto& entries = reference.file().entries();
  const auto first_weight = entries.lower_bound("weight.");
  if (first_weight != entries.end() && first_weight->first.starts_with("weight.")) {
    load_strictly(*network, reference.file(), "weight.");
    reference.mark_used("weight.");
  } else {
    check_parameters(*network, reference, report);
    fill_from_formula(*network);
  }
  const torch::Tensor context =
      reference.contains("input.context") ? reference.input("input.context") : torch::Tensor();
  const torch::Tensor output = network->forward(reference.input("input.x"), reference.input("input.t"), context);
  report.compare("output", output, reference.expected("output"), kNetworkTolerance);
}

}  // namespace fmboost::parity
