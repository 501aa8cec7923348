#include "import/ldm_names.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace fmboost {
namespace {

using Names = std::vector<std::string>;
using Table = std::span<const std::pair<const char*, const char*>>;

constexpr std::pair<const char*, const char*> kUnetResnet[] = {
    {"in_layers.0", "norm1"},  {"in_layers.2", "conv1"},  {"emb_layers.1", "time_emb_proj"},
    {"out_layers.0", "norm2"}, {"out_layers.3", "conv2"}, {"skip_connection", "conv_shortcut"},
};
constexpr std::pair<const char*, const char*> kAutoencoderResnet[] = {{"nin_shortcut", "conv_shortcut"}};
// The longer names are those of diffusers before version 0.17.
constexpr std::pair<const char*, const char*> kAutoencoderAttention[] = {
    {"norm", "group_norm"},    {"q", "to_q"},     {"k", "to_k"},   {"v", "to_v"},
    {"proj_out", "to_out.0"},  {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"},
    {"proj_attn", "to_out.0"},
};

// Renames tensors by their module: the longest known prefix is replaced, and the rest is looked up in the table of the
// module.
class Renaming {
 public:
  explicit Renaming(const Names& names) {
    for (const auto& name : names) {
      for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
        modules_.insert(name.substr(0, dot));
      }
    }
  }

  bool has(const std::string& module) const { return modules_.contains(module); }

  void replace(const std::string& module, const std::string& by, Table inside = {}) { places_[module] = {by, inside}; }

  std::string operator()(const std::string& name) const {
    for (std::size_t dot = name.rfind('.'); dot != std::string::npos && dot > 0; dot = name.rfind('.', dot - 1)) {
      if (const auto found = places_.find(name.substr(0, dot)); found != places_.end()) {
        return found->second.by + inside(name.substr(dot), found->second.inside);
      }
    }
    return name;
  }

  Names all(const Names& names) const {
    Names result;
    std::transform(names.begin(), names.end(), std::back_inserter(result), *this);
    return result;
  }

 private:
  struct Place {
    std::string by;
    Table inside;
  };

  // `rest` begins with a dot.
  static std::string inside(const std::string& rest, Table table) {
    for (const auto& [old, by] : table) {
      const std::string start = std::string(".") + old + ".";
      if (rest.starts_with(start)) {
        return std::string(".") + by + rest.substr(start.size() - 1);
      }
    }
    return rest;
  }

  std::unordered_set<std::string> modules_;
  std::unordered_map<std::string, Place> places_;
};

std::string numbered(const std::string& name, std::size_t i) {
  return name + "." + std::to_string(i);
}

// input_blocks: levels of residual blocks, each but the last followed by a downsampling.
void place_input_blocks(Renaming& renaming) {
  std::size_t level = 0;
  std::size_t layer = 0;
  for (std::size_t i = 1; renaming.has(numbered("input_blocks", i)); ++i) {
    const std::string block = numbered("input_blocks", i);
    const std::string down = numbered("down_blocks", level);
    if (renaming.has(block + ".0.op")) {
      renaming.replace(block + ".0.op", down + ".downsamplers.0.conv");
      ++level;
      layer = 0;
      continue;
    }
    renaming.replace(block + ".0", numbered(down + ".resnets", layer), kUnetResnet);
    renaming.replace(block + ".1", numbered(down + ".attentions", layer));
    ++layer;
  }
}

// output_blocks: the last block of a level also contains the upsampling, after its attention if it has one.
void place_output_blocks(Renaming& renaming) {
  std::size_t level = 0;
  std::size_t layer = 0;
  for (std::size_t i = 0; renaming.has(numbered("output_blocks", i)); ++i) {
    const std::string block = numbered("output_blocks", i);
    const std::string up = numbered("up_blocks", level);
    renaming.replace(block + ".0", numbered(up + ".resnets", layer), kUnetResnet);
    renaming.replace(block + ".1", numbered(up + ".attentions", layer));
    ++layer;
    for (const char* position : {".1.conv", ".2.conv"}) {
      if (renaming.has(block + position)) {
        renaming.replace(block + position, up + ".upsamplers.0.conv");
        ++level;
        layer = 0;
      }
    }
  }
}

// One half of the autoencoder. The decoder's levels are counted from the finest in the original, from the coarsest in
// diffusers.
void add_half(Renaming& renaming, const std::string& half, const std::string& side, const std::string& sampler) {
  std::size_t levels = 0;
  while (renaming.has(numbered(half + "." + side, levels))) {
    ++levels;
  }
  for (std::size_t i = 0; i < levels; ++i) {
    const std::string old = numbered(half + "." + side, i);
    const std::string by = numbered(half + "." + side + "_blocks", side == "up" ? levels - 1 - i : i);
    for (std::size_t j = 0; renaming.has(numbered(old + ".block", j)); ++j) {
      renaming.replace(numbered(old + ".block", j), numbered(by + ".resnets", j), kAutoencoderResnet);
    }
    renaming.replace(old + "." + sampler + ".conv", by + "." + sampler + "rs.0.conv");
  }
  const std::string middle = half + ".mid_block";
  renaming.replace(half + ".mid.block_1", middle + ".resnets.0", kAutoencoderResnet);
  renaming.replace(half + ".mid.block_2", middle + ".resnets.1", kAutoencoderResnet);
  renaming.replace(half + ".mid.attn_1", middle + ".attentions.0", kAutoencoderAttention);
  renaming.replace(middle + ".attentions.0", middle + ".attentions.0", kAutoencoderAttention);
  renaming.replace(half + ".norm_out", half + ".conv_norm_out");
}

Names all_names(const Weights& tensors) {
  Names names;
  for (const auto& [name, weight] : tensors) {
    names.push_back(name);
  }
  return names;
}

Weights renamed(Weights tensors, const Names& new_names) {
  Weights result;
  auto name = new_names.begin();
  for (auto& [old, weight] : tensors) {
    put(result, *name++, std::move(weight));
  }
  return result;
}

}  // namespace

Names diffusers_unet_names(const Names& names) {
  Renaming renaming(names);
  renaming.replace("time_embed.0", "time_embedding.linear_1");
  renaming.replace("time_embed.2", "time_embedding.linear_2");
  renaming.replace("time_embed.cond_proj", "time_embedding.cond_proj");
  renaming.replace("input_blocks.0.0", "conv_in");
  place_input_blocks(renaming);
  renaming.replace("middle_block.0", "mid_block.resnets.0", kUnetResnet);
  renaming.replace("middle_block.1", "mid_block.attentions.0");
  renaming.replace("middle_block.2", "mid_block.resnets.1", kUnetResnet);
  place_output_blocks(renaming);
  renaming.replace("out.0", "conv_norm_out");
  renaming.replace("out.2", "conv_out");
  return renaming.all(names);
}

Names diffusers_autoencoder_names(const Names& names) {
  Renaming renaming(names);
  add_half(renaming, "encoder", "down", "downsample");
  add_half(renaming, "decoder", "up", "upsample");
  return renaming.all(names);
}

Weights to_diffusers_unet(Weights tensors) {
  const Names names = all_names(tensors);
  return renamed(std::move(tensors), diffusers_unet_names(names));
}

Weights to_diffusers_autoencoder(Weights tensors) {
  const Names names = all_names(tensors);
  Weights result = renamed(std::move(tensors), diffusers_autoencoder_names(names));
  for (auto& [name, weight] : result) {
    const bool one_by_one = weight.shape.size() == 4 && weight.shape[2] == 1 && weight.shape[3] == 1;
    if (name.find(".attentions.") != std::string::npos && one_by_one) {
      weight = reshaped(weight, {weight.shape[0], weight.shape[1]});
    }
  }
  return result;
}

}  // namespace fmboost
