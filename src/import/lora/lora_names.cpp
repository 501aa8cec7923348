#include "import/lora/lora_names.h"

#include <array>
#include <regex>
#include <utility>

namespace fmboost {
namespace {

// Layers outside of the blocks.
constexpr std::pair<const char*, const char*> kSingle[] = {
    {"input_blocks_0_0", "conv_in"},
    {"out_2", "conv_out"},
    {"time_embed_0", "time_embedding_linear_1"},
    {"time_embed_2", "time_embedding_linear_2"},
};

// Layers within a residual block.
constexpr std::pair<const char*, const char*> kResidual[] = {
    {"_in_layers_2", "_conv1"},
    {"_emb_layers_1", "_time_emb_proj"},
    {"_out_layers_3", "_conv2"},
    {"_skip_connection", "_conv_shortcut"},
};

std::string numbered(const char* side, std::int64_t level, const char* list, std::int64_t index) {
  return std::string(side) + "_blocks_" + std::to_string(level) + list + std::to_string(index);
}

std::string residual_layer(const std::string& rest) {
  for (const auto& [old, by] : kResidual) {
    if (rest == old) {
      return by;
    }
  }
  return rest;
}

// Input block 0 is a convolution; each level has its blocks, and a convolution that downsamples.
std::string down_layer(std::int64_t block, std::int64_t part, const std::string& rest, const UnetDepth& depth) {
  const std::int64_t level = (block - 1) / (depth.blocks_per_level + 1);
  const std::int64_t index = (block - 1) % (depth.blocks_per_level + 1);
  if (index == depth.blocks_per_level) {
    return numbered("down", level, "_downsamplers_", 0) + (rest == "_op" ? "_conv" : rest);
  }
  return part == 0 ? numbered("down", level, "_resnets_", index) + residual_layer(rest)
                   : numbered("down", level, "_attentions_", index) + rest;
}

// Each level has one block more, the last of which ends with a convolution after upsampling.
std::string up_layer(std::int64_t block, std::int64_t part, const std::string& rest, const UnetDepth& depth) {
  const std::int64_t level = block / (depth.blocks_per_level + 1);
  const std::int64_t index = block % (depth.blocks_per_level + 1);
  if (part > 0 && rest == "_conv") {
    return numbered("up", level, "_upsamplers_", 0) + rest;
  }
  return part == 0 ? numbered("up", level, "_resnets_", index) + residual_layer(rest)
                   : numbered("up", level, "_attentions_", index) + rest;
}

std::string middle_layer(std::int64_t part, const std::string& rest) {
  return part == 1 ? "mid_block_attentions_0" + rest
                   : "mid_block_resnets_" + std::to_string(part / 2) + residual_layer(rest);
}

}  // namespace

std::string diffusers_layer_name(const std::string& name, const UnetDepth& depth) {
  static const std::regex kBlock("(input|output)_blocks_([0-9]{1,3})_([0-9])(_.*)");
  static const std::regex kMiddle("middle_block_([012])(_.*)");
  for (const auto& [old, by] : kSingle) {
    if (name == old) {
      return by;
    }
  }
  std::smatch match;
  if (std::regex_match(name, match, kMiddle)) {
    return middle_layer(std::stoll(match[1]), match[2]);
  }
  if (!std::regex_match(name, match, kBlock)) {
    return name;
  }
  const std::int64_t block = std::stoll(match[2]);
  const std::int64_t part = std::stoll(match[3]);
  return match[1] == "input" ? down_layer(block, part, match[4], depth) : up_layer(block, part, match[4], depth);
}

}  // namespace fmboost
