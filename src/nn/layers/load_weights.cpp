#include "nn/layers/load_weights.h"

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "fmboost/core/error.h"

#include "core/finite.h"
#include "nn/layers/half_precision_weights.h"
#include "nn/layers/layers.h"

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

// A tensor of the module, and how that of the file is loaded.
struct LoadedWeight {
  std::string name;  ///< in the file
  torch::Tensor target;
  torch::ScalarType stored, wanted;
};

// The names of weights whose layers cast them on every use.
std::set<std::string> cast_when_used(const torch::nn::Module& module) {
  std::set<std::string> names;
  for (const auto& item : module.named_modules()) {
    const torch::nn::Module* layer = item.value().get();
    if (dynamic_cast<const layers::LinearImpl*>(layer) != nullptr ||
        dynamic_cast<const layers::Conv2dImpl*>(layer) != nullptr) {
      names.insert(item.key().empty() ? "weight" : item.key() + ".weight");
    }
  }
  return names;
}

std::vector<LoadedWeight> plan_loading(const torch::nn::Module& module, const SafetensorsFile& file,
                                       const Placement& placement, const std::string& prefix,
                                       HalfPrecisionWeights half_weights) {
  const bool may_stay =
      half_weights == HalfPrecisionWeights::stay && placement.device.is_cpu() && placement.dtype == torch::kFloat32;
  const std::set<std::string> may_be_half = may_stay ? cast_when_used(module) : std::set<std::string>();
  std::vector<LoadedWeight> plan;
  for (const auto& [name, target] : tensors_of(module)) {
    const torch::ScalarType stored = file.entries().at(prefix + name).dtype;
    const bool half = stored == torch::kFloat16 || stored == torch::kBFloat16;
    const bool stays = half && may_be_half.contains(name);
    plan.push_back({prefix + name, target, stored, stays ? stored : placement.dtype});
  }
  return plan;
}

// The bytes of the tensors to cast.
std::size_t bytes_to_cast(const std::vector<LoadedWeight>& plan) {
  std::size_t bytes = 0;
  for (const auto& weight : plan) {
    const std::size_t own = static_cast<std::size_t>(weight.target.numel()) * c10::elementSize(weight.wanted);
    bytes += weight.stored == weight.wanted ? 0 : WeightMemory::padded(own);
  }
  return bytes;
}

// Whether every finite value of the narrow type is a finite value of the wide one.
bool holds_all(torch::ScalarType wide, torch::ScalarType narrow) {
  return c10::elementSize(wide) > c10::elementSize(narrow);
}

// The tensor of the file in another dtype, in `memory` if given.
torch::Tensor cast_weight(const SafetensorsFile& file, const std::string& name, torch::ScalarType dtype,
                          WeightMemory* memory) {
  const torch::Tensor stored = file.tensor(name);
  const auto fail = [&](const std::string& what) {
    throw ModelError("tensor '" + name + "' in '" + file.path().string() + "' " + what);
  };
  if (!stored.is_floating_point()) {
    fail(std::string("holds ") + c10::toString(stored.scalar_type()) + ": weights must be floating-point numbers");
  }
  const bool into_memory = memory != nullptr && stored.scalar_type() != dtype;
  torch::Tensor cast = into_memory ? memory->take(stored.sizes(), dtype).copy_(stored) : stored.to(dtype);
  if (!all_finite(holds_all(dtype, stored.scalar_type()) ? stored : cast)) {
    fail(all_finite(stored) ? "holds values that are too large for " + dtype_name(dtype) + "; use another `dtype`"
                            : "holds NaN or infinity: the file is damaged, or its training failed");
  }
  return cast;
}

}  // namespace

void check_weights(const torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix) {
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
                     listing("missing", missing) + listing("unknown to the network", extra) +
                     listing("of another shape", misshaped));
  }
}

void load_strictly(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix) {
  check_weights(module, file, prefix);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, target] : tensors_of(module)) {
    torch::Tensor destination = target;
    destination.copy_(file.tensor(prefix + name));
  }
}

void load_into(torch::nn::Module& module, const SafetensorsFile& file, const Placement& placement,
               const std::string& prefix, HalfPrecisionWeights half_weights) {
  check_weights(module, file, prefix);
  const torch::NoGradGuard no_grad;
  const bool on_gpu = placement.device.is_cuda();
  const std::vector<LoadedWeight> plan = plan_loading(module, file, placement, prefix, half_weights);
  std::optional<WeightMemory> memory;
  if (const std::size_t bytes = bytes_to_cast(plan); bytes > 0 && !on_gpu) {
    memory.emplace(bytes);
  }
  for (const auto& weight : plan) {
    const torch::Tensor cast = cast_weight(file, weight.name, weight.wanted, memory ? &*memory : nullptr);
    const bool channels_last = on_gpu && cast.dim() == 4;
    torch::Tensor destination = weight.target;
    destination.set_data(cast.to(placement.device, weight.wanted, /*non_blocking=*/false, /*copy=*/false,
                                 channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Preserve));
    if (on_gpu || weight.stored != weight.wanted) {
      file.release(weight.name);
    }
  }
}

}  // namespace fmboost
