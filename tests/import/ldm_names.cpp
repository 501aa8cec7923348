#include "import/ldm_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "fmboost/core/error.h"

#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/unet.h"
#include "support/thrown.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using testing::ElementsAre;
using Names = std::vector<std::string>;

void add(Names& names, const std::string& module, const std::vector<std::string>& layers, bool with_bias = true) {
  for (const auto& layer : layers) {
    names.push_back(module + "." + layer + ".weight");
    if (with_bias) {
      names.push_back(module + "." + layer + ".bias");
    }
  }
}

void add_resnet(Names& names, const std::string& module, bool shortcut) {
  add(names, module, {"in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"});
  if (shortcut) {
    add(names, module, {"skip_connection"});
  }
}

void add_transformer(Names& names, const std::string& module) {
  const std::string block = module + ".transformer_blocks.0";
  add(names, module, {"norm", "proj_in", "proj_out"});
  add(names, block, {"norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2", "attn1.to_out.0", "attn2.to_out.0"});
  add(names, block, {"attn1.to_q", "attn1.to_k", "attn1.to_v", "attn2.to_q", "attn2.to_k", "attn2.to_v"}, false);
}

std::string at(const std::string& list, int i) {
  return list + "." + std::to_string(i);
}

// Stable Diffusion 1.5's UNet as the original code numbers it (openaimodel.py of latent-diffusion).
Names original_unet() {
  Names names;
  add(names, "time_embed", {"0", "2"});
  add(names, "input_blocks", {"0.0"});
  for (int i = 1; i < 12; ++i) {
    const std::string block = at("input_blocks", i);
    if (i % 3 == 0) {
      add(names, block + ".0", {"op"});
      continue;
    }
    add_resnet(names, block + ".0", i == 4 || i == 7);
    if (i < 9) {
      add_transformer(names, block + ".1");
    }
  }
  add_resnet(names, "middle_block.0", false);
  add_transformer(names, "middle_block.1");
  add_resnet(names, "middle_block.2", false);
  for (int i = 0; i < 12; ++i) {
    const std::string block = at("output_blocks", i);
    add_resnet(names, block + ".0", true);
    if (i > 2) {
      add_transformer(names, block + ".1");
    }
    if (i == 2 || i == 5 || i == 8) {
      add(names, block + (i == 2 ? ".1" : ".2"), {"conv"});
    }
  }
  add(names, "out", {"0", "2"});
  return names;
}

void add_autoencoder_resnet(Names& names, const std::string& module, bool shortcut) {
  add(names, module, {"norm1", "conv1", "norm2", "conv2"});
  if (shortcut) {
    add(names, module, {"nin_shortcut"});
  }
}

void add_half(Names& names, const std::string& half, bool encoder) {
  for (int i = 0; i < 4; ++i) {
    const std::string level = at(half + (encoder ? ".down" : ".up"), i);
    for (int j = 0; j < (encoder ? 2 : 3); ++j) {
      add_autoencoder_resnet(names, at(level + ".block", j), j == 0 && (encoder ? i == 1 || i == 2 : i == 0 || i == 1));
    }
    if (encoder ? i < 3 : i > 0) {
      add(names, level, {encoder ? "downsample.conv" : "upsample.conv"});
    }
  }
  add_autoencoder_resnet(names, half + ".mid.block_1", false);
  add_autoencoder_resnet(names, half + ".mid.block_2", false);
  add(names, half + ".mid.attn_1", {"norm", "q", "k", "v", "proj_out"});
  add(names, half, {"conv_in", "norm_out", "conv_out"});
}

Names original_autoencoder() {
  Names names = {"quant_conv.weight", "quant_conv.bias", "post_quant_conv.weight", "post_quant_conv.bias"};
  add_half(names, "encoder", true);
  add_half(names, "decoder", false);
  return names;
}

std::set<std::string> names_of(const torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& item : network.named_parameters()) {
    names.insert(item.key());
  }
  return names;
}

std::set<std::string> as_set(const Names& names) {
  return {names.begin(), names.end()};
}

TEST(LdmNames, WholeUnetIsRenamedToTheNetwork) {
  const Names original = original_unet();
  EXPECT_EQ(original.size(), 686U);  // what the published file has
  EXPECT_EQ(as_set(diffusers_unet_names(original)), names_of(*Unet(UnetOptions())));
}

TEST(LdmNames, WholeAutoencoderIsRenamedToTheNetwork) {
  const Names original = original_autoencoder();
  EXPECT_EQ(original.size(), 248U);
  EXPECT_EQ(as_set(diffusers_autoencoder_names(original)), names_of(*AutoencoderKl(AutoencoderKlOptions())));
}

TEST(LdmNames, KeepTheirOrderAndPlace) {
  const Names names = {
      "input_blocks.1.0.in_layers.0.weight",     "input_blocks.1.1.norm.weight",        "input_blocks.2.0.op.bias",
      "input_blocks.3.0.out_layers.3.weight",    "output_blocks.0.0.emb_layers.1.bias", "output_blocks.0.1.conv.weight",
      "output_blocks.1.0.skip_connection.weight"};
  EXPECT_THAT(diffusers_unet_names(names),
              ElementsAre("down_blocks.0.resnets.0.norm1.weight", "down_blocks.0.attentions.0.norm.weight",
                          "down_blocks.0.downsamplers.0.conv.bias", "down_blocks.1.resnets.0.conv2.weight",
                          "up_blocks.0.resnets.0.time_emb_proj.bias", "up_blocks.0.upsamplers.0.conv.weight",
                          "up_blocks.1.resnets.0.conv_shortcut.weight"));
}

TEST(LdmNames, CountTheDecodersLevelsFromTheCoarsest) {
  const Names names = {"decoder.up.0.block.0.conv1.weight", "decoder.up.1.block.0.nin_shortcut.weight",
                       "decoder.up.1.upsample.conv.bias", "encoder.down.1.block.0.conv1.weight",
                       "encoder.down.0.downsample.conv.weight"};
  const Names renamed = diffusers_autoencoder_names(names);
  EXPECT_EQ(renamed[0], "decoder.up_blocks.1.resnets.0.conv1.weight");
  EXPECT_EQ(renamed[1], "decoder.up_blocks.0.resnets.0.conv_shortcut.weight");
  EXPECT_EQ(renamed[2], "decoder.up_blocks.0.upsamplers.0.conv.bias");
}

TEST(LdmNames, GuidanceEmbeddingIsKnownUnderBothNames) {
  const Names names = {"time_embed.cond_proj.weight", "time_embedding.cond_proj.weight"};
  EXPECT_THAT(diffusers_unet_names(names),
              ElementsAre("time_embedding.cond_proj.weight", "time_embedding.cond_proj.weight"));
}

TEST(LdmNames, DiffusersNamesAndUnknownNamesStay) {
  const Names names = {"conv_in.weight", "down_blocks.0.resnets.0.norm1.weight", "label_emb.0.0.weight", "x"};
  EXPECT_EQ(diffusers_unet_names(names), names);
  EXPECT_THAT(diffusers_autoencoder_names({"loss.weight"}), ElementsAre("loss.weight"));
}

TEST(LdmNames, TwoNamesOfOneLayerAreRefused) {
  Weights tensors;
  tensors.emplace("time_embed.cond_proj.weight", test::shape_of({4, 4}));
  tensors.emplace("time_embedding.cond_proj.weight", test::shape_of({4, 4}));
  EXPECT_THAT(test::thrown<ModelError>([&] { to_diffusers_unet(tensors); }), testing::HasSubstr("the same layer"));
}

TEST(LdmAutoencoder, StoresAttentionAsConvolutionsOrUnderOlderNames) {
  Weights tensors;
  const torch::Tensor query = torch::rand({4, 4, 1, 1});
  tensors.emplace("encoder.mid.attn_1.q.weight", test::weight_of(query));
  tensors.emplace("decoder.mid_block.attentions.0.query.weight", test::weight_of(query.flatten(1)));
  tensors.emplace("decoder.mid_block.attentions.0.proj_attn.bias", test::weight_of(torch::rand({4})));
  tensors.emplace("quant_conv.weight", test::weight_of(query));
  const Weights result = to_diffusers_autoencoder(std::move(tensors));
  const Weight& renamed = result.at("encoder.mid_block.attentions.0.to_q.weight");
  EXPECT_THAT(renamed.shape, ElementsAre(4, 4));
  EXPECT_TRUE(torch::equal(renamed.read(), query.flatten(1)));
  EXPECT_TRUE(result.contains("decoder.mid_block.attentions.0.to_q.weight"));
  EXPECT_TRUE(result.contains("decoder.mid_block.attentions.0.to_out.0.bias"));
  EXPECT_THAT(result.at("quant_conv.weight").shape, ElementsAre(4, 4, 1, 1));
}

}  // namespace
}  // namespace fmboost
