#include <algorithm>

#include "fmboost/core/error.h"

#include "import/lora/lora.h"
#include "import/lora/lora_names.h"

namespace fmboost {
namespace {

// The family of the model that the LoRA was made for, from its layer names; empty if unknown.
std::string family_of(const Lora& lora) {
  const auto any = [&](const char* start) {
    return std::any_of(lora.layers.begin(), lora.layers.end(),
                       [&](const auto& item) { return item.first.starts_with(start); });
  };
  if (any("lora_te2_") || any("text_encoder_2.") || any("te2.")) {
    return " (Stable Diffusion XL, judging by its names)";
  }
  return any("transformer.") || any("lora_transformer_") ? " (a transformer such as Flux, judging by its names)" : "";
}

}  // namespace

void merge_lora(const Lora& lora, double weight, Weights& unet, Weights& text_encoder) {
  const LoraLayerIndex layers(unet, text_encoder);
  std::vector<std::string> problems;
  std::vector<std::pair<Weight*, const LoraLayer*>> changes;
  std::map<Weight*, std::string> names;
  for (const auto& [name, layer] : lora.layers) {
    Weight* target = layers.find(name);
    if (target == nullptr) {
      problems.push_back("'" + name + "' is missing from it");
    } else if (const std::string problem = misfit(layer, target->shape); !problem.empty()) {
      problems.push_back("'" + name + "' " + problem);
    } else if (const auto [other, is_new] = names.emplace(target, name); !is_new) {
      problems.push_back("'" + name + "' is the same layer as '" + other->second + "'");
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
