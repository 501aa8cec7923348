#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <string_view>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "import/lora/lora.h"
#include "io/json_reader.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Endings of tensor names, and the roles of LoraLayer; "alpha" is none of a factor.
constexpr std::pair<std::string_view, const char*> kEndings[] = {
    {".lora_down.weight", "down"},
    {".lora_mid.weight", "mid"},
    {".lora_up.weight", "up"},
    {".lora_A.weight", "down"},
    {".lora_B.weight", "up"},
    {".lora_A.default.weight", "down"},
    {".lora_B.default.weight", "up"},
    {".lora.down.weight", "down"},
    {".lora.up.weight", "up"},
    {"_lora.down.weight", "down"},
    {"_lora.up.weight", "up"},
    {".lora_linear_layer.down.weight", "down"},
    {".lora_linear_layer.up.weight", "up"},
    {".alpha", "alpha"},
    {".hada_w1_a", "hada_w1_a"},
    {".hada_w1_b", "hada_w1_b"},
    {".hada_w2_a", "hada_w2_a"},
    {".hada_w2_b", "hada_w2_b"},
    {".hada_t1", "hada_t1"},
    {".hada_t2", "hada_t2"},
    {".lokr_w1", "lokr_w1"},
    {".lokr_w1_a", "lokr_w1_a"},
    {".lokr_w1_b", "lokr_w1_b"},
    {".lokr_w2", "lokr_w2"},
    {".lokr_w2_a", "lokr_w2_a"},
    {".lokr_w2_b", "lokr_w2_b"},
    {".lokr_t2", "lokr_t2"},
    {".dora_scale", "dora_scale"},
    {".lora_magnitude_vector", "magnitude"},
    {".lora_magnitude_vector.weight", "magnitude"},
    {".lora_magnitude_vector.default.weight", "magnitude"},
};

struct TensorRole {
  std::string layer;
  std::string role;
};

std::optional<TensorRole> role_of(const std::string& name) {
  for (const auto& [ending, role] : kEndings) {
    if (name.ends_with(ending)) {
      return TensorRole{name.substr(0, name.size() - ending.size()), role};
    }
  }
  return std::nullopt;
}

double read_alpha(const Weight& weight) {
  const torch::Tensor value = read_weight(weight, torch::kFloat32);
  if (value.numel() != 1) {
    throw ModelError(weight.origin + " must hold one number, found " + std::to_string(value.numel()));
  }
  return value.item<double>();
}

// An incomplete pair cannot be merged, and must not be dropped silently.
void check_complete(const fs::path& file, const std::map<std::string, LoraLayer>& layers) {
  std::vector<std::string> incomplete;
  for (const auto& [name, layer] : layers) {
    if (const std::string factor = missing_factor(layer); !factor.empty()) {
      incomplete.push_back("'" + name + "' lacks " + factor);
    }
  }
  if (!incomplete.empty()) {
    throw ModelError("the LoRA '" + file.string() + "' is incomplete: " + first_few(incomplete));
  }
}

// Name fragments of tensors of other kinds of adapters.
constexpr std::pair<std::string_view, const char*> kOtherKinds[] = {
    {".oft_", "an OFT adapter"},
    {".on_input", "an IA3"},
    {".diff", "a set of full weight differences"},
    {".glora_", "a GLoRA"},
    {".w_norm", "a set of trained norms"},
    {".b_norm", "a set of trained norms"},
    {".lora_B.bias", "a LoRA with biases"},
};

void refuse_other_kinds(const fs::path& file, const std::vector<std::string>& others) {
  for (const auto& name : others) {
    for (const auto& [part, kind] : kOtherKinds) {
      if (name.find(part) != std::string::npos) {
        throw ModelError("'" + file.string() + "' is " + kind +
                         ", not a LoRA, LoHa, LoKr or DoRA, and cannot be merged: " + name);
      }
    }
  }
}

std::map<std::string, LoraLayer> read_layers(const fs::path& file, const Weights& tensors) {
  std::map<std::string, LoraLayer> layers;
  std::vector<std::string> others;
  bool has_factors = false;
  for (const auto& [name, weight] : tensors) {
    const auto role = role_of(name);
    if (!role) {
      others.push_back("'" + name + "'");
    } else if (role->role == "alpha") {
      layers[role->layer].alpha = read_alpha(weight);
    } else {
      has_factors = true;
      layers[role->layer].factors[role->role] = weight;
    }
  }
  refuse_other_kinds(file, others);
  if (!has_factors) {
    throw ModelError("'" + file.string() + "' is not a LoRA: it has no tensor named lora_down, lora_A or lora.down");
  }
  if (!others.empty()) {
    throw ModelError("the LoRA '" + file.string() +
                     "' contains tensors other than factors of layers: " + first_few(others));
  }
  check_complete(file, layers);
  return layers;
}

// PEFT's settings. In the metadata, every key has the component as its prefix ("unet.lora_alpha").
json peft_settings(const fs::path& file, const std::map<std::string, std::string>& metadata) {
  const fs::path config_file = file.parent_path() / "adapter_config.json";
  if (const auto found = metadata.find("lora_adapter_metadata"); found != metadata.end()) {
    return JsonReader::parse(found->second, file.string() + "', metadata 'lora_adapter_metadata").value();
  }
  return fs::exists(config_file) ? JsonReader::parse(read_text_file(config_file), config_file.string()).value()
                                 : json::object();
}

// PEFT takes a pattern as a regular expression for the end of a module's name. Plain names are compared as they are.
bool names_module(const std::string& layer, const std::string& pattern) {
  return layer == pattern || layer.ends_with("." + pattern);
}

bool matches_module(const std::string& layer, const std::string& pattern) {
  constexpr std::size_t kLongest = 200;  // regular expressions of unknown origin, on names of unknown origin
  if (layer.size() > kLongest || pattern.size() > kLongest) {
    return false;
  }
  try {
    return std::regex_match(layer, std::regex("(.*\\.)?(" + pattern + ")"));
  } catch (const std::regex_error&) {
    throw ModelError("the LoRA's alpha_pattern '" + pattern + "' is not a regular expression");
  }
}

// The alpha of the pattern that names the module or, if there is none, of the first that matches it.
std::optional<double> alpha_by_pattern(const json& patterns, std::string layer) {
  for (const std::string prefix : {"base_model.model.", "unet.", "text_encoder."}) {
    layer = layer.starts_with(prefix) ? layer.substr(prefix.size()) : layer;
  }
  std::optional<double> matched;
  for (const auto& [pattern, alpha] : patterns.items()) {
    if (alpha.is_number() && names_module(layer, pattern)) {
      return alpha.get<double>();
    }
    if (alpha.is_number() && !matched && matches_module(layer, pattern)) {
      matched = alpha.get<double>();
    }
  }
  return matched;
}

void apply_settings(const json& settings, std::map<std::string, LoraLayer>& layers) {
  for (auto& [name, layer] : layers) {
    const std::string part = name.substr(0, name.find('.'));
    const auto setting = [&, name = name](const char* key) {
      const auto own = settings.find(part + "." + key);
      return own != settings.end() ? *own : settings.value(key, json());
    };
    if (const json alpha = setting("lora_alpha"); alpha.is_number() && !layer.alpha) {
      layer.alpha = alpha.get<double>();
    }
    if (const auto alpha = alpha_by_pattern(setting("alpha_pattern"), name)) {
      layer.alpha = alpha;
    }
    layer.rank_stabilized = setting("use_rslora") == json(true);
  }
}

}  // namespace

Lora open_lora(const fs::path& file) {
  const WeightFile content = open_weights(file);
  Lora lora{file, read_layers(file, content.tensors), few_steps_of(file, content.metadata)};
  apply_settings(peft_settings(file, content.metadata), lora.layers);
  return lora;
}

}  // namespace fmboost
