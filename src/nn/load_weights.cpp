#include "fmboost/nn/load_weights.h"

#include <map>
#include <vector>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::size_t kNamed = 20;

std::string listing(const std::string& title, const std::vector<std::string>& names) {
  if (names.empty()) {
    return "";
  }
  std::string text = "\n  " + title + " (" + std::to_string(names.size()) + "):";
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
    text += "\n    " + names[i];
  }
  return names.size() > kNamed ? text + "\n    ..." : text;
}

std::map<std::string, torch::Tensor> tensors_of(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) {
    tensors.emplace(item.key(), item.value());
  }
  for (const auto& item : module.named_buffers()) {
    tensors.emplace(item.key(), item.value());
  }
  return tensors;
}

}  // namespace

void load_strictly(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix) {
  const auto targets = tensors_of(module);
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::vector<std::string> misshaped;
  for (const auto& [name, target] : targets) {
    const auto found = file.entries().find(prefix + name);
    if (found == file.entries().end()) {
      missing.push_back(prefix + name);
    } else if (target.sizes() != found->second.shape) {
      misshaped.push_back(
          c10::str(prefix, name, ": expected ", target.sizes(), ", found ", c10::IntArrayRef(found->second.shape)));
    }
  }
  for (const auto& [name, entry] : file.entries()) {
    if (name.compare(0, prefix.size(), prefix) == 0 && !targets.contains(name.substr(prefix.size()))) {
      extra.push_back(name);
    }
  }
  if (!missing.empty() || !extra.empty() || !misshaped.empty()) {
    throw ModelError("the weights in '" + file.path().string() + "' do not fit the network" +
                     listing("missing", missing) + listing("not known to the network", extra) +
                     listing("of another shape", misshaped));
  }
  const torch::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) {
    torch::Tensor destination = target;
    destination.copy_(file.tensor(prefix + name));
  }
}

}  // namespace fmboost
