#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "import/ldm_names.h"
#include "nn/stable_diffusion/clip_text.h"
#include "support/thrown.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using test::shape_of;
using test::weight_of;
using testing::ElementsAre;

std::vector<std::string> keys(const Weights& weights) {
  std::vector<std::string> names;
  for (const auto& [name, weight] : weights) {
    names.push_back(name);
  }
  return names;
}

TEST(TextNames, AreTheSameWithAndWithoutThePrefix) {
  for (const std::string prefix : {"", "text_model."}) {
    Weights tensors;
    tensors.emplace(prefix + "final_layer_norm.weight", shape_of({4}));
    EXPECT_THAT(keys(to_transformers_text(std::move(tensors))), ElementsAre("text_model.final_layer_norm.weight"));
  }
}

TEST(TextNames, DuplicateNamesAreRefused) {
  Weights tensors;
  tensors.emplace("final_layer_norm.weight", shape_of({4}));
  tensors.emplace("text_model.final_layer_norm.weight", shape_of({4}));
  EXPECT_THAT(test::thrown<ModelError>([&] { to_transformers_text(tensors); }), testing::HasSubstr("the same layer"));
}

// OpenCLIP's text half of `layers` blocks of width 6.
Weights openclip(int layers) {
  Weights tensors;
  for (int i = 0; i < layers; ++i) {
    const std::string block = c10::str("transformer.resblocks.", i, ".");
    tensors.emplace(block + "attn.in_proj_weight", weight_of(torch::rand({18, 6})));
    tensors.emplace(block + "attn.in_proj_bias", weight_of(torch::rand({18})));
    for (const char* layer : {"attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj"}) {
      const bool norm = layer[0] == 'l';
      tensors.emplace(block + layer + ".weight", norm ? shape_of({6}) : shape_of({6, 6}));
      tensors.emplace(block + layer + ".bias", shape_of({6}));
    }
  }
  for (const char* other : {"positional_embedding", "token_embedding.weight", "ln_final.weight", "ln_final.bias",
                            "text_projection", "logit_scale"}) {
    tensors.emplace(other, shape_of({6}));
  }
  return tensors;
}

TEST(OpenclipNames, AreRenamedWithoutTheLastBlock) {
  Weights rest;
  const Weights result = openclip_to_transformers_text(openclip(3), rest);
  ClipTextOptions options;
  options.num_hidden_layers = 2;
  const Weights network = test::shapes_of_network(*ClipTextModel(options));
  EXPECT_EQ(keys(result), keys(network));
  EXPECT_EQ(rest.size(), 12U + 2U);
  EXPECT_TRUE(rest.contains("text_projection"));
  EXPECT_TRUE(rest.contains("transformer.resblocks.2.ln_1.weight"));
}

TEST(OpenclipNames, FusedProjectionIsSplit) {
  const Weights tensors = openclip(2);
  const torch::Tensor fused = tensors.at("transformer.resblocks.0.attn.in_proj_weight").read();
  Weights rest;
  const Weights result = openclip_to_transformers_text(tensors, rest);
  const std::string layer = "text_model.encoder.layers.0.self_attn.";
  std::int64_t row = 0;
  for (const char* name : {"q_proj.weight", "k_proj.weight", "v_proj.weight"}) {
    const Weight& part = result.at(layer + name);
    EXPECT_THAT(part.shape, ElementsAre(6, 6));
    EXPECT_TRUE(torch::equal(part.read(), fused.slice(0, row, row + 6))) << name;
    row += 6;
  }
  EXPECT_THAT(result.at(layer + "k_proj.bias").shape, ElementsAre(6));
}

TEST(OpenclipNames, UnknownNamesStayInTheRest) {
  Weights tensors = openclip(1);
  tensors.emplace("transformer.resblocks.x.ln_1.weight", shape_of({6}));
  tensors.emplace("visual.proj", shape_of({6}));
  Weights rest;
  openclip_to_transformers_text(std::move(tensors), rest);
  EXPECT_TRUE(rest.contains("visual.proj"));
  EXPECT_TRUE(rest.contains("transformer.resblocks.x.ln_1.weight"));
}

}  // namespace
}  // namespace fmboost
