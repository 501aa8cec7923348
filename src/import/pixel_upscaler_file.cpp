#include "import/pixel_upscaler_file.h"

#include "fmboost/core/error.h"

#include "import/network_check.h"
#include "nn/esrgan/rrdb_net.h"
#include "nn/esrgan/srvgg_net.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json config_of(const RrdbNetOptions& options) {
  return {{"_class_name", "RRDBNet"},           {"channels", options.channels}, {"features", options.features},
          {"growth", options.growth},           {"blocks", options.blocks},     {"pixel_unshuffle", options.pixel_unshuffle},
          {"upsamplings", options.upsamplings}};
}

json config_of(const SrvggNetOptions& options) {
  return {{"_class_name", "SRVGGNetCompact"},
          {"channels", options.channels},
          {"features", options.features},
          {"convolutions", options.convolutions},
          {"scale", options.scale}};
}

void check_tensors(const RrdbNetOptions& options, const Weights& weights, const std::string& origin) {
  check_network(*RrdbNet(options), weights, "the pixel upscaler", origin);
}

void check_tensors(const SrvggNetOptions& options, const Weights& weights, const std::string& origin) {
  check_network(*SrvggNet(options), weights, "the pixel upscaler", origin);
}

EsrganWeights open_one(const fs::path& file) {
  check_weight_file(file);
  auto found = esrgan_weights(open_weights(file).tensors, file.string());
  if (!found) {
    throw ModelError("'" + file.string() + "' is no network of the ESRGAN family (RRDBNet or SRVGGNetCompact)");
  }
  std::visit(
      [&](const auto& options) {
        if (options.channels != 3) {
          throw ModelError(c10::str("'", file.string(), "' upscales images of ", options.channels,
                                    " channels; networks for RGB, 3, are supported"));
        }
        check_tensors(options, found->tensors, file.string());
      },
      found->network);
  return std::move(*found);
}

// weights = (1 - weight) weights + weight other, in float32.
void interpolate_with(Weights& weights, const LoraChoice& choice) {
  const EsrganWeights other = open_one(choice.file);
  for (auto& [name, weight] : weights) {
    const auto found = other.tensors.find(name);
    if (found == other.tensors.end() || found->second.shape != weight.shape || other.tensors.size() != weights.size()) {
      throw ModelError("'" + choice.file.string() + "' has other tensors than the network that it is interpolated with: '" +
                       name + "' does not fit");
    }
    weight.changes.push_back([partner = found->second, share = choice.weight](torch::Tensor& tensor) {
      tensor.mul_(1 - share).add_(read_weight(partner, torch::kFloat32), share);
    });
  }
}

}  // namespace

bool is_pixel_upscaler(const fs::path& file) {
  return !fs::is_directory(file) && is_weight_file(file) &&
         read_weight_file(file).recognition.kind == WeightKind::upscaler;
}

PixelUpscalerSource open_pixel_upscaler(const fs::path& file, const LoraChoice& interpolate) {
  EsrganWeights network = open_one(file);
  if (!interpolate.file.empty()) {
    interpolate_with(network.tensors, interpolate);
  }
  const json config = std::visit([](const auto& options) { return config_of(options); }, network.network);
  const auto factor = std::visit([](const auto& options) { return options.factor(); }, network.network);
  return {c10::str("an upscaling network for pixels (", config["_class_name"].get<std::string>(), ", ", factor, "x)"),
          std::move(network.tensors),
          {{"backend", "native"},
           {"file", kPixelUpscalerFile},
           {"sha256", std::string(64, '0')},
           {"config", config}}};
}

}  // namespace fmboost
