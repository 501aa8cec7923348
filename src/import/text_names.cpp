#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "import/ldm_names.h"

namespace fmboost {
namespace {

constexpr std::pair<const char*, const char*> kOpenclip[] = {
    {"token_embedding.weight", "embeddings.token_embedding.weight"},
    {"positional_embedding", "embeddings.position_embedding.weight"},
    {"ln_final.weight", "final_layer_norm.weight"},
    {"ln_final.bias", "final_layer_norm.bias"},
};
constexpr std::pair<const char*, const char*> kOpenclipBlock[] = {
    {"ln_1.", "layer_norm1."}, {"ln_2.", "layer_norm2."},   {"attn.out_proj.", "self_attn.out_proj."},
    {"mlp.c_fc.", "mlp.fc1."}, {"mlp.c_proj.", "mlp.fc2."},
};
const std::string kModel = "text_model.";
constexpr const char* kBlocks = "transformer.resblocks.";

// The block number of a tensor and its name within the block.
std::optional<std::pair<int, std::string>> block_of(const std::string& name) {
  const std::string prefix = kBlocks;
  if (!name.starts_with(prefix)) {
    return std::nullopt;
  }
  int number = 0;
  const char* end = name.data() + name.size();
  const auto [parsed, error] = std::from_chars(name.data() + prefix.size(), end, number);
  if (error != std::errc() || parsed == end || *parsed != '.') {
    return std::nullopt;
  }
  return std::pair(number, std::string(parsed + 1, end));
}

// Query, key and value are stacked in one tensor.
void split_projections(const Weight& fused, const std::string& layer, const std::string& kind, Weights& result) {
  const std::int64_t width = fused.shape.front() / 3;
  const char* names[] = {"q_proj", "k_proj", "v_proj"};
  for (std::int64_t i = 0; i < 3; ++i) {
    put(result, layer + "self_attn." + names[i] + "." + kind, rows(fused, i * width, (i + 1) * width));
  }
}

bool add_to_block(const std::string& layer, const std::string& name, const Weight& weight, Weights& result) {
  if (name.starts_with("attn.in_proj_") && !weight.shape.empty() && weight.shape.front() % 3 == 0) {
    split_projections(weight, layer, name.substr(std::string("attn.in_proj_").size()), result);
    return true;
  }
  for (const auto& [old, by] : kOpenclipBlock) {
    if (name.starts_with(old)) {
      put(result, layer + by + name.substr(std::string(old).size()), weight);
      return true;
    }
  }
  return false;
}

}  // namespace

Weights to_transformers_text(Weights tensors) {
  Weights result;
  for (auto& [name, weight] : tensors) {
    put(result, name.starts_with(kModel) ? name : kModel + name, std::move(weight));
  }
  return result;
}

Weights openclip_to_transformers_text(Weights tensors, Weights& rest) {
  int last = 0;
  for (const auto& [name, weight] : tensors) {
    if (const auto block = block_of(name)) {
      last = std::max(last, block->first);
    }
  }
  Weights result;
  for (const auto& [name, weight] : tensors) {
    const auto block = block_of(name);
    const bool used =
        block && block->first < last &&
        add_to_block(kModel + "encoder.layers." + std::to_string(block->first) + ".", block->second, weight, result);
    const auto* const other = std::find_if(std::begin(kOpenclip), std::end(kOpenclip),
                                           [&, name = name](const auto& pair) { return name == pair.first; });
    if (other != std::end(kOpenclip)) {
      put(result, kModel + other->second, weight);
    } else if (!used) {
      rest.emplace(name, weight);
    }
  }
  return result;
}

}  // namespace fmboost
