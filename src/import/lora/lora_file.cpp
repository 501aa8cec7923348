#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string_view>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "import/lora/lora.h"
#include "io/json_reader.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

enum class Role { down, mid, up, alpha };

constexpr std::pair<std::string_view, Role> kEndings[] = {
    {".lora_down.weight", Role::down},
    {".lora_mid.weight", Role::mid},
    {".lora_up.weight", Role::up},
    {".lora_A.weight", Role::down},
    {".lora_B.weight", Role::up},
    {".lora_A.default.weight", Role::down},
    {".lora_B.default.weight", Role::up},
    {".lora.down.weight", Role::down},
    {".lora.up.weight", Role::up},
    {"_lora.down.weight", Role::down},
    {"_lora.up.weight", Role::up},
    {".lora_linear_layer.down.weight", Role::down},
    {".lora_linear_layer.up.weight", Role::up},
    {".alpha", Role::alpha},
};

struct TensorRole {
  std::string layer;
  Role role;
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
    if (!layer.down.read || !layer.up.read) {
      incomplete.push_back("'" + name + "' lacks " + (layer.down.read ? "the upper" : "the lower") + " factor");
    }
  }
  if (!incomplete.empty()) {
    throw ModelError("the LoRA '" + file.string() + "' is incomplete: " + first_few(incomplete));
  }
}

Weight& factor(LoraLayer& layer, Role role) {
  return role == Role::down ? layer.down : role == Role::mid ? layer.mid : layer.up;
}

// Name fragments of tensors of other kinds of adapters.
constexpr std::pair<std::string_view, const char*> kOtherKinds[] = {
    {".hada_", "a LoHa"},
    {".lokr_", "a LoKr"},
    {".dora_scale", "a DoRA"},
    {".lora_magnitude_vector", "a DoRA"},
    {".oft_", "an OFT adapter"},
    {".on_input", "an IA3"},
    {".diff", "a set of full weight differences"},
    {".glora_", "a GLoRA"},
};

void refuse_other_kinds(const fs::path& file, const std::vector<std::string>& others) {
  for (const auto& name : others) {
    for (const auto& [part, kind] : kOtherKinds) {
      if (name.find(part) != std::string::npos) {
        throw ModelError("'" + file.string() + "' is " + kind + ", not a plain LoRA, and cannot be merged: " + name);
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
    } else if (role->role == Role::alpha) {
      layers[role->layer].alpha = read_alpha(weight);
    } else {
      has_factors = true;
      factor(layers[role->layer], role->role) = weight;
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

// PEFT takes the keys of its patterns for regular expressions that match the end of a layer's name.
bool names_module(const std::string& layer, const std::string& pattern) {
  constexpr std::size_t kLongest = 256;  // backtracking takes time and stack
  try {
    return pattern.size() <= kLongest && std::regex_match(layer, std::regex("(.*\\.)?(" + pattern + ")"));
  } catch (const std::regex_error&) {
    return layer == pattern || layer.ends_with("." + pattern);
  }
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
    const json patterns = setting("alpha_pattern");
    for (const auto& [pattern, alpha] : patterns.items()) {
      if (alpha.is_number() && names_module(name, pattern)) {
        layer.alpha = alpha.get<double>();
        break;
      }
    }
    layer.rank_stabilized = setting("use_rslora") == json(true);
  }
}

// Whether a text contains the word "lcm", in any case.
bool has_lcm(const std::string& text) {
  static const std::regex kLcm("(^|[^a-z])lcm([^a-z]|$)", std::regex::icase);
  return std::regex_search(text, kLcm);
}

// Published files are named lcm-lora-sdv1-5.safetensors, or pytorch_lora_weights.safetensors in a folder of such a
// name. Trainers write a title, a name and tags into the metadata.
bool is_for_consistency(const fs::path& file, const std::map<std::string, std::string>& metadata) {
  static const std::set<std::string> kTitles{"title", "name", "modelspec.title", "modelspec.tags", "ss_output_name"};
  const fs::path whole = fs::absolute(file);
  const bool unnamed = whole.stem() == "pytorch_lora_weights";
  return has_lcm(whole.filename().string()) || (unnamed && has_lcm(whole.parent_path().filename().string())) ||
         std::any_of(metadata.begin(), metadata.end(),
                     [](const auto& item) { return kTitles.contains(item.first) && has_lcm(item.second); });
}

}  // namespace

Lora open_lora(const fs::path& file) {
  const WeightFile content = open_weights(file);
  Lora lora{file, read_layers(file, content.tensors), is_for_consistency(file, content.metadata)};
  apply_settings(peft_settings(file, content.metadata), lora.layers);
  return lora;
}

}  // namespace fmboost
