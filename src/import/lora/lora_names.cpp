#include "import/lora/lora_names.h"

#include <algorithm>
#include <utility>

namespace fmboost {
namespace {

using Renamings = std::map<std::string, std::string>;

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

bool has_module(const Weights& weights, const std::string& module) {
  const auto found = weights.lower_bound(module + ".");
  return found != weights.end() && found->first.starts_with(module + ".");
}

std::string nth(const std::string& name, int i) {
  return name + "." + std::to_string(i);
}

void rename_resnet(Renamings& names, const std::string& resnet, const std::string& original) {
  static constexpr std::pair<const char*, const char*> kLayers[] = {{"conv1", "in_layers.2"},
                                                                    {"time_emb_proj", "emb_layers.1"},
                                                                    {"conv2", "out_layers.3"},
                                                                    {"conv_shortcut", "skip_connection"}};
  for (const auto& [layer, by] : kLayers) {
    names.emplace(resnet + "." + layer, original + "." + by);
  }
}

void rename_down(Renamings& names, const Weights& unet) {
  int block = 1;
  for (int level = 0; has_module(unet, nth("down_blocks", level)); ++level) {
    const std::string down = nth("down_blocks", level);
    for (int i = 0; has_module(unet, nth(down + ".resnets", i)); ++i, ++block) {
      rename_resnet(names, nth(down + ".resnets", i), nth("input_blocks", block) + ".0");
      names.emplace(nth(down + ".attentions", i), nth("input_blocks", block) + ".1");
    }
    if (has_module(unet, down + ".downsamplers.0")) {
      names.emplace(down + ".downsamplers.0.conv", nth("input_blocks", block++) + ".0.op");
    }
  }
}

// The last block of a level also contains the upsampling, after its attention if it has one.
void rename_up(Renamings& names, const Weights& unet) {
  int block = 0;
  for (int level = 0; has_module(unet, nth("up_blocks", level)); ++level) {
    const std::string up = nth("up_blocks", level);
    for (int i = 0; has_module(unet, nth(up + ".resnets", i)); ++i, ++block) {
      rename_resnet(names, nth(up + ".resnets", i), nth("output_blocks", block) + ".0");
      names.emplace(nth(up + ".attentions", i), nth("output_blocks", block) + ".1");
    }
    const bool attends = has_module(unet, up + ".attentions.0");
    names.emplace(up + ".upsamplers.0.conv", nth("output_blocks", block - 1) + (attends ? ".2.conv" : ".1.conv"));
  }
}

// Modules of diffusers, and what the original layout calls them.
Renamings original_names(const Weights& unet) {
  Renamings names = {{"conv_in", "input_blocks.0.0"},
                     {"conv_out", "out.2"},
                     {"time_embedding.linear_1", "time_embed.0"},
                     {"time_embedding.linear_2", "time_embed.2"},
                     {"mid_block.attentions.0", "middle_block.1"}};
  rename_resnet(names, "mid_block.resnets.0", "middle_block.0");
  rename_resnet(names, "mid_block.resnets.1", "middle_block.2");
  rename_down(names, unet);
  rename_up(names, unet);
  return names;
}

// Replaces the longest known module at the start of a name; empty if there is none.
std::string original_name(const Renamings& names, const std::string& name) {
  for (auto end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1)) {
    if (const auto found = names.find(name.substr(0, end)); found != names.end()) {
      return found->second + name.substr(end);
    }
  }
  return "";
}

// Prefixes before a layer's name, which may follow each other.
constexpr const char* kUnetPrefixes[] = {"lora_unet_", "unet.", "model.diffusion_model.", "diffusion_model."};
constexpr const char* kTextPrefixes[] = {"lora_te_",
                                         "lora_te1_",
                                         "te1.",
                                         "te1_",
                                         "text_encoder.",
                                         "text_encoders.clip_l.transformer.",
                                         "cond_stage_model.transformer."};

bool cut_any(std::string& name, const auto& prefixes) {
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [&](const char* prefix) { return cut_prefix(name, prefix); });
}

Weight* lookup(const std::map<std::string, Weight*>& index, const std::string& name) {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

// The name in transformers, flat and without "text_model_".
std::string text_layer(std::string name) {
  name = flat(std::move(name));
  cut_prefix(name, "text_model_");
  replace_end(name, "_to_q", "_q_proj");
  replace_end(name, "_to_k", "_k_proj");
  replace_end(name, "_to_v", "_v_proj");
  replace_end(name, "_to_out", "_out_proj");
  return name;
}

// The name in diffusers, flat.
std::string unet_layer(std::string name) {
  name = flat(std::move(name));
  if (const auto at = name.find("_processor_"); at != std::string::npos) {
    name.erase(at, std::string("_processor").size());
  }
  replace_end(name, "_to_out", "_to_out_0");  // the name in diffusers attention processors
  return name;
}

}  // namespace

LoraLayerIndex::LoraLayerIndex(Weights& unet, Weights& text_encoder) {
  add_unet(unet);
  add_text(text_encoder);
}

void LoraLayerIndex::add_unet(Weights& unet) {
  const Renamings originals = original_names(unet);
  for (auto& [name, weight] : unet) {
    std::string layer = name;
    if (layer.ends_with(".weight") && weight.shape.size() >= 2) {
      replace_end(layer, ".weight", "");
      unet_.emplace(flat(layer), &weight);
      if (const std::string original = original_name(originals, layer); !original.empty()) {
        unet_.emplace(flat(original), &weight);
      }
    }
  }
}

void LoraLayerIndex::add_text(Weights& text) {
  for (auto& [name, weight] : text) {
    if (name.ends_with(".weight") && weight.shape.size() >= 2) {
      std::string layer = flat(name.substr(0, name.rfind('.')));
      cut_prefix(layer, "text_model_");
      text_.emplace(layer, &weight);
    }
  }
}

Weight* LoraLayerIndex::find(std::string layer) const {
  cut_prefix(layer, "base_model.model.");
  cut_prefix(layer, "lycoris_");
  const bool of_text = cut_any(layer, kTextPrefixes);
  if (of_text || layer.starts_with("text_model.") || layer.starts_with("text_model_")) {
    cut_prefix(layer, "base_model.model.");
    return lookup(text_, text_layer(std::move(layer)));
  }
  cut_any(layer, kUnetPrefixes);
  cut_prefix(layer, "base_model.model.");
  return lookup(unet_, unet_layer(std::move(layer)));
}

}  // namespace fmboost
