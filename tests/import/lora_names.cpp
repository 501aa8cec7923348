#include "import/lora/lora_names.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "import/ldm_names.h"

namespace fmboost {
namespace {

std::string flat(std::string name) {
  name = name.substr(0, name.rfind('.'));
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// The names of a UNet of Stable Diffusion 1 in the original layout.
std::vector<std::string> original_names() {
  std::vector<std::string> names{"input_blocks.0.0.weight", "out.2.weight", "time_embed.0.weight",
                                 "time_embed.2.weight"};
  const auto residual = [&](const std::string& block) {
    for (const char* layer : {"in_layers.2", "emb_layers.1", "out_layers.3", "skip_connection"}) {
      names.push_back(block + "." + layer + ".weight");
    }
  };
  const auto attention = [&](const std::string& block) {
    for (const char* layer :
         {"proj_in", "proj_out", "transformer_blocks.0.attn2.to_k", "transformer_blocks.0.ff.net.2"}) {
      names.push_back(block + "." + layer + ".weight");
    }
  };
  for (int i = 1; i < 12; ++i) {
    const std::string block = "input_blocks." + std::to_string(i);
    if (i % 3 == 0) {
      names.push_back(block + ".0.op.weight");
    } else {
      residual(block + ".0");
      if (i < 9) {
        attention(block + ".1");
      }
    }
  }
  residual("middle_block.0");
  attention("middle_block.1");
  residual("middle_block.2");
  for (int i = 0; i < 12; ++i) {
    const std::string block = "output_blocks." + std::to_string(i);
    residual(block + ".0");
    if (i > 2) {
      attention(block + ".1");
    }
    if (i % 3 == 2 && i < 11) {
      names.push_back(block + (i > 2 ? ".2" : ".1") + ".conv.weight");
    }
  }
  return names;
}

TEST(LoraNames, LayersOfTheOriginalLayoutAreThoseThatImportRenames) {
  const auto names = original_names();
  const auto expected = diffusers_unet_names(names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(diffusers_layer_name(flat(names[i]), {4, 2}), flat(expected[i])) << names[i];
  }
}

TEST(LoraNames, OtherNamesStay) {
  for (const char* name : {"down_blocks_0_resnets_0_conv1", "input_blocks", "input_blocks_1", "text_model_x", ""}) {
    EXPECT_EQ(diffusers_layer_name(name, {4, 2}), name);
  }
}

}  // namespace
}  // namespace fmboost
