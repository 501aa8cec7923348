#include <ATen/ops/einsum.h>
#include <ATen/ops/mm.h>
#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"

#include "import/lora/lora.h"
#include "import/lora/lora_names.h"

namespace fmboost {
namespace {

// The common form of the names of all layouts: dots become underscores, as in kohya's scripts.
std::string flat(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

bool cut_prefix(std::string& name, const std::string& prefix) {
  if (!name.starts_with(prefix)) {
    return false;
  }
  name = name.substr(prefix.size());
  return true;
}

void replace_end(std::string& name, const std::string& end, const std::string& by) {
  if (name.ends_with(end)) {
    name.replace(name.size() - end.size(), end.size(), by);
  }
}

// The layers of a model by their flat names.
class LayerIndex {
 public:
  LayerIndex(Weights& unet, Weights& text_encoder) {
    add(unet, "", unet_);
    add(text_encoder, "text_model_", text_);
    depth_ = {count("down_blocks_", "_resnets_0_conv1"), count("down_blocks_0_resnets_", "_conv1")};
  }

  // The weight that a layer of the LoRA changes; null if there is none.
  Weight* find(std::string layer) const {
    cut_prefix(layer, "base_model.model.");
    const bool lycoris = cut_prefix(layer, "lycoris_");
    if (cut_prefix(layer, "lora_te_") || cut_prefix(layer, "lora_te1_") || cut_prefix(layer, "text_encoder.") ||
        (lycoris && cut_prefix(layer, "text_encoder_")) || layer.starts_with("text_model.") ||
        layer.starts_with("text_model_")) {
      return find_text(flat(layer));
    }
    if (!cut_prefix(layer, "lora_unet_") && !(lycoris && cut_prefix(layer, "unet_"))) {
      cut_prefix(layer, "unet.");
    }
    cut_prefix(layer, "model.diffusion_model.");
    cut_prefix(layer, "diffusion_model.");
    std::string name = diffusers_layer_name(flat(layer), depth_);
    if (const auto at = name.find("_processor_"); at != std::string::npos) {
      name.erase(at, std::string("_processor").size());
    }
    replace_end(name, "_to_out", "_to_out_0");  // the name in diffusers attention processors
    return lookup(unet_, name);
  }

 private:
  using Index = std::map<std::string, Weight*>;

  static void add(Weights& part, const std::string& prefix, Index& index) {
    const std::string end = ".weight";
    for (auto& [name, weight] : part) {
      if (name.ends_with(end) && weight.shape.size() >= 2) {
        std::string key = flat(name.substr(0, name.size() - end.size()));
        cut_prefix(key, prefix);
        index.emplace(key, &weight);
      }
    }
  }
  // The number of layers with the names `start`0`end`, `start`1`end`, ...
  std::int64_t count(const std::string& start, const std::string& end) const {
    std::int64_t found = 0;
    while (unet_.contains(start + std::to_string(found) + end)) {
      ++found;
    }
    return std::max<std::int64_t>(found, 1);
  }
  static Weight* lookup(const Index& index, const std::string& name) {
    const auto found = index.find(name);
    return found == index.end() ? nullptr : found->second;
  }
  Weight* find_text(std::string name) const {
    cut_prefix(name, "text_model_");
    replace_end(name, "_to_q", "_q_proj");
    replace_end(name, "_to_k", "_k_proj");
    replace_end(name, "_to_v", "_v_proj");
    replace_end(name, "_to_out", "_out_proj");
    return lookup(text_, name);
  }

  Index unet_, text_;
  UnetDepth depth_;
};

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  return c10::multiply_integers(shape);
}

bool is_matrix(const std::vector<std::int64_t>& shape) {
  return shape.size() >= 2 && elements(shape) == shape[0] * shape[1];
}

// up (out, rank), mid (rank, rank, k, k), down (rank, in) for a weight (out, in, k, k).
bool fits_in_three(const LoraLayer& layer, const Weight& weight) {
  const auto& down = layer.down.shape;
  const auto& mid = layer.mid.shape;
  const auto& up = layer.up.shape;
  return is_matrix(down) && is_matrix(up) && mid.size() == 4 && down[0] > 0 && up[1] == mid[0] && mid[1] == down[0] &&
         weight.shape == std::vector<std::int64_t>{up[0], down[1], mid[2], mid[3]};
}

// Whether up (out, rank) times down (rank, in) has as many rows and elements as the weight. Trailing dimensions of 1
// come from convolutions.
bool fits(const LoraLayer& layer, const Weight& weight) {
  const auto& down = layer.down.shape;
  const auto& up = layer.up.shape;
  return down.size() >= 2 && is_matrix(up) && down[0] > 0 && up[1] == down[0] && up[0] == weight.shape[0] &&
         elements(down) / down[0] * up[0] == elements(weight.shape);
}

// The product of the factors: up down, or for each tap k of a convolution up mid_k down. (out, in, ...)
torch::Tensor product(const LoraLayer& layer) {
  const torch::Tensor up = read_weight(layer.up, torch::kFloat32).flatten(1);
  const torch::Tensor down = read_weight(layer.down, torch::kFloat32).flatten(1);
  if (!layer.mid.read) {
    return at::mm(up, down);
  }
  const torch::Tensor mid = read_weight(layer.mid, torch::kFloat32);
  return at::einsum("oa,abkl,bi->oikl", {up, mid, down});
}

std::function<void(torch::Tensor&)> change_of(const LoraLayer& layer, double weight) {
  const auto rank = static_cast<double>(layer.down.shape[0]);
  const double divisor = layer.rank_stabilized ? std::sqrt(rank) : rank;
  const double scale = weight * layer.alpha.value_or(rank) / divisor;
  return [layer, scale](torch::Tensor& tensor) { tensor.add_(product(layer).reshape(tensor.sizes()), scale); };
}

// The family of the model that the LoRA was made for, from its layer names; empty if unknown.
std::string family_of(const Lora& lora) {
  const auto any = [&](const char* start) {
    return std::any_of(lora.layers.begin(), lora.layers.end(),
                       [&](const auto& item) { return item.first.starts_with(start); });
  };
  if (any("lora_te2_") || any("text_encoder_2.")) {
    return " (Stable Diffusion XL, judging by its names)";
  }
  return any("transformer.") || any("lora_transformer_") ? " (a transformer such as Flux, judging by its names)" : "";
}

std::string sizes(const std::vector<std::int64_t>& shape) {
  return c10::str(c10::IntArrayRef(shape));
}

}  // namespace

void merge_lora(const Lora& lora, double weight, Weights& unet, Weights& text_encoder) {
  const LayerIndex layers(unet, text_encoder);
  std::vector<std::string> problems;
  std::vector<std::pair<Weight*, const LoraLayer*>> changes;
  for (const auto& [name, layer] : lora.layers) {
    Weight* target = layers.find(name);
    if (target == nullptr) {
      problems.push_back("'" + name + "' is missing from it");
    } else if (layer.mid.read ? !fits_in_three(layer, *target) : !fits(layer, *target)) {
      problems.push_back("'" + name + "' is " + sizes(layer.up.shape) + " times " +
                         (layer.mid.read ? sizes(layer.mid.shape) + " times " : "") + sizes(layer.down.shape) +
                         " where the layer is " + sizes(target->shape));
    } else {
      changes.emplace_back(target, &layer);
    }
  }
  if (!problems.empty()) {
    throw ModelError("the LoRA '" + lora.file.string() + "' was made for another model" + family_of(lora) + ": " +
                     std::to_string(problems.size()) + " of its " + std::to_string(lora.layers.size()) +
                     " layers do not fit: " + first_few(problems));
  }
  for (const auto& [target, layer] : changes) {
    target->changes.push_back(change_of(*layer, weight));
  }
}

}  // namespace fmboost
