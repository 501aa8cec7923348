#include "model/cfm_velocity.h"

#include "fmboost/core/error.h"

#include "nn/cfm/cfm_unet.h"
#include "nn/layers/load_weights.h"
#include "nn/layers/parameter_memory.h"

namespace fmboost {
namespace {

void check_metadata(const SafetensorsFile& file, const CouplingEntry& entry) {
  const auto found = file.metadata().find("config");
  if (found == file.metadata().end()) {
    return;
  }
  const std::string origin = file.path().string();
  const CfmUnetOptions options = parse_cfm_unet_options(found->second, origin + "', metadata 'config");
  if (options != entry.network) {
    throw ModelError("'" + origin + "' was made for the network " + to_json_text(options) + ", bundle.json declares " +
                     to_json_text(entry.network));
  }
}

// Without weights, which are loaded.
CfmUnet make_network(const CouplingEntry& entry) {
  const ParameterMemoryGuard guard(ParameterMemory::none);
  CfmUnet network(entry.network);
  network->eval();
  return network;
}

class CfmVelocity final : public VelocityNetwork {
 public:
  CfmVelocity(CfmUnet network, const Placement& placement)
      : network_(std::move(network)),
        with_context_(network_->options().in_channels > network_->options().out_channels),
        placement_(placement) {}

  torch::Tensor velocity(const torch::Tensor& x, double t, const torch::Tensor& context,
                         const StripLimits* strips) override {
    const c10::InferenceMode no_gradients;
    const torch::Tensor time =
        torch::full({x.size(0)}, t, torch::TensorOptions().dtype(torch::kFloat32).device(placement_.device));
    const torch::Tensor none;
    return network_->forward(to_placement(x), time, with_context_ ? to_placement(context) : none, strips)
        .to(torch::kFloat32)
        .contiguous();
  }

 private:
  torch::Tensor to_placement(const torch::Tensor& tensor) const {
    return tensor.to(placement_.device, placement_.dtype);
  }

  CfmUnet network_;
  bool with_context_;
  Placement placement_;
};

}  // namespace

std::unique_ptr<VelocityNetwork> make_cfm_velocity(const std::filesystem::path& file, const CouplingEntry& entry,
                                                   const Placement& placement) {
  const SafetensorsFile weights(file);
  check_metadata(weights, entry);
  CfmUnet network = make_network(entry);
  load_into(*network, weights, placement);
  return std::make_unique<CfmVelocity>(std::move(network), placement);
}

void check_cfm_weights(const std::filesystem::path& file, const CouplingEntry& entry) {
  const SafetensorsFile weights(file);
  check_metadata(weights, entry);
  check_weights(*make_network(entry), weights);
}

}  // namespace fmboost
