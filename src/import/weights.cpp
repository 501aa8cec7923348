#include "import/weights.h"

#include <algorithm>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/placement.h"
#include "fmboost/io/safetensors.h"

#include "core/finite.h"
#include "io/torch_file.h"

namespace fmboost {
namespace {

// A view of the mapped bytes that releases their pages with its last reference.
torch::Tensor read_and_release(const std::shared_ptr<const SafetensorsFile>& file, const std::string& name) {
  const torch::Tensor tensor = file->tensor(name);
  if (tensor.numel() == 0) {
    return tensor;
  }
  return torch::from_blob(
      tensor.data_ptr(), tensor.sizes(), [file, name, tensor](void*) { file->release(name); }, tensor.options());
}

// Checkpoints of trainers hold the weights under "state_dict".
std::string without_state_dict(const std::string& name) {
  constexpr std::string_view kPrefix = "state_dict.";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

WeightFile open_torch_weights(const std::filesystem::path& path) {
  const auto file = std::make_shared<const TorchFile>(path);
  WeightFile result;
  for (const auto& [name, entry] : file->entries()) {
    put(result.tensors, without_state_dict(name),
        {.origin = c10::str("'", path.string(), "', tensor '", name, "'"),
         .dtype = entry.storage.dtype,
         .shape = entry.shape,
         .read = [file, name = name] { return file->tensor(name); },
         .changes = {}});
  }
  if (result.tensors.empty()) {
    throw ModelError("'" + path.string() + "' contains no tensors under names: it is no state dict");
  }
  return result;
}

}  // namespace

WeightFile open_weights(const std::filesystem::path& path) {
  if (TorchFile::is_one(path)) {
    return open_torch_weights(path);
  }
  const auto file = std::make_shared<const SafetensorsFile>(path);
  WeightFile result{{}, file->metadata()};
  for (const auto& [name, entry] : file->entries()) {
    result.tensors.emplace(name, Weight{.origin = c10::str("'", path.string(), "', tensor '", name, "'"),
                                        .dtype = entry.dtype,
                                        .shape = entry.shape,
                                        .read = [file, name = name] { return read_and_release(file, name); },
                                        .changes = {}});
  }
  return result;
}

void apply_fp8_scales(Weights& tensors) {
  static const char* const kScales[] = {".scale_weight", ".weight_scale"};
  static const char* const kOthers[] = {".scale_input", ".input_scale"};
  const auto ends_with_any = [](const std::string& name, const auto& ends) {
    return std::any_of(std::begin(ends), std::end(ends), [&](const char* end) { return name.ends_with(end); });
  };
  for (auto at = tensors.begin(); at != tensors.end();) {
    const std::string name = at->first;
    if (!ends_with_any(name, kScales) && !ends_with_any(name, kOthers)) {
      ++at;
      continue;
    }
    const auto scaled = tensors.find(name.substr(0, name.rfind('.')) + ".weight");
    if (scaled == tensors.end() || c10::multiply_integers(at->second.shape) != 1) {
      throw ModelError(at->second.origin + " must be the one scale of a weight beside it");
    }
    if (ends_with_any(name, kScales)) {
      scaled->second.changes.emplace_back([scale = at->second](torch::Tensor& tensor) {
        tensor.mul_(read_weight(scale, torch::kFloat32).item<double>());
      });
    }
    at = tensors.erase(at);
  }
}

Weights take_prefix(Weights& all, const std::string& prefix) {
  Weights taken;
  for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix);) {
    auto node = all.extract(at++);
    node.key() = node.key().substr(prefix.size());
    taken.insert(std::move(node));
  }
  return taken;
}

void put(Weights& all, const std::string& name, Weight weight) {
  const auto [entry, is_new] = all.try_emplace(name, std::move(weight));  // moves only if inserted
  if (!is_new) {
    throw ModelError(weight.origin + " and " + entry->second.origin + " are the same layer, '" + name + "'");
  }
}

Weight reshaped(Weight weight, std::vector<std::int64_t> shape) {
  weight.read = [read = weight.read, shape] { return read().reshape(shape); };
  weight.shape = std::move(shape);
  return weight;
}

Weight rows(const Weight& weight, std::int64_t begin, std::int64_t end) {
  Weight part = weight;
  part.shape.front() = end - begin;
  part.read = [read = weight.read, begin, end] { return read().slice(0, begin, end); };
  return part;
}

torch::ScalarType written_dtype(const Weight& weight, std::optional<torch::ScalarType> wanted) {
  switch (weight.dtype) {
    case torch::kFloat32:
    case torch::kFloat16:
    case torch::kBFloat16:
      return wanted.value_or(weight.dtype);
    case torch::kFloat64:
      return wanted.value_or(torch::kFloat32);
    case torch::kFloat8_e4m3fn:
    case torch::kFloat8_e5m2:
      return wanted.value_or(torch::kFloat16);  // holds all values of both
    default:
      throw ModelError(weight.origin + " is of type " + c10::toString(weight.dtype) +
                       "; weights must be floating-point numbers");
  }
}

torch::Tensor read_weight(const Weight& weight, torch::ScalarType dtype) {
  torch::Tensor tensor = weight.read();
  if (!weight.changes.empty()) {
    tensor = tensor.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
    for (const auto& change : weight.changes) {
      change(tensor);
    }
  }
  torch::Tensor result = tensor.to(dtype);
  if (all_finite(result)) {
    return result;
  }
  if (all_finite(tensor)) {
    throw ModelError(weight.origin + " holds values that are too large for " + dtype_name(dtype) +
                     "; use another `dtype`");
  }
  throw ModelError(weight.origin + " holds NaN or infinity: the file is damaged");
}

std::string first_few(const std::vector<std::string>& names, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < count; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > count ? text + " and " + std::to_string(names.size() - count) + " more" : text;
}

}  // namespace fmboost
