#include "fmboost/nn/load_weights.h"

#include "finite.h"
#include "weight_memory.h"

#include <map>
#include <optional>
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

// The memory that the file's tensors take which lie in it in another dtype.
std::size_t bytes_to_cast(const SafetensorsFile& file, const std::string& prefix, torch::ScalarType dtype) {
  std::size_t bytes = 0;
  for (const auto& [name, entry] : file.entries()) {
    if (name.starts_with(prefix) && entry.dtype != dtype) {
      const auto count = static_cast<std::size_t>(c10::multiply_integers(entry.shape));
      bytes += WeightMemory::padded(count * c10::elementSize(dtype));
    }
  }
  return bytes;
}

// Whether every number of the one type is a finite number of the other.
bool holds_all(torch::ScalarType wide, torch::ScalarType narrow) {
  return c10::elementSize(wide) > c10::elementSize(narrow);
}

// The file's tensor in another dtype, in `memory` where there is one.
torch::Tensor cast_weight(const SafetensorsFile& file, const std::string& name, torch::ScalarType dtype,
                          WeightMemory* memory) {
  const torch::Tensor stored = file.tensor(name);
  const auto fail = [&](const std::string& what) {
    throw ModelError("tensor '" + name + "' in '" + file.path().string() + "' " + what);
  };
  if (!stored.is_floating_point()) {
    fail(std::string("holds ") + c10::toString(stored.scalar_type()) + ": weights are floating-point numbers");
  }
  const bool into_memory = memory != nullptr && stored.scalar_type() != dtype;
  torch::Tensor cast = into_memory ? memory->take(stored.sizes(), dtype).copy_(stored) : stored.to(dtype);
  if (!all_finite(holds_all(dtype, stored.scalar_type()) ? stored : cast)) {
    fail(all_finite(stored) ? "holds numbers that are too large for " + dtype_name(dtype) + ": choose another --dtype"
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
                     listing("missing", missing) + listing("not known to the network", extra) +
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
               const std::string& prefix) {
  check_weights(module, file, prefix);
  const torch::NoGradGuard no_grad;
  const bool on_gpu = placement.device.is_cuda();
  std::optional<WeightMemory> memory;
  if (const std::size_t bytes = bytes_to_cast(file, prefix, placement.dtype); bytes > 0 && !on_gpu) {
    memory.emplace(bytes);
  }
  for (const auto& [name, target] : tensors_of(module)) {
    const torch::Tensor cast = cast_weight(file, prefix + name, placement.dtype, memory ? &*memory : nullptr);
    const bool channels_last = on_gpu && cast.dim() == 4;
    torch::Tensor destination = target;
    destination.set_data(cast.to(placement.device, placement.dtype, /*non_blocking=*/false, /*copy=*/false,
                                 channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Preserve));
    if (on_gpu || file.entries().at(prefix + name).dtype != placement.dtype) {
      file.release(prefix + name);
    }
  }
}

}  // namespace fmboost
