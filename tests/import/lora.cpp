#include "import/lora/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using test::thrown;
using test::weight_of;
using testing::AllOf;
using testing::HasSubstr;

const std::string kAttention = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kOut = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0";
const std::string kConvolution = "down_blocks.0.resnets.0.conv1";
const std::string kText = "encoder.layers.0.self_attn.q_proj";

// A model of four layers.
class LoraTest : public testing::Test {
 protected:
  LoraTest() {
    torch::manual_seed(0);
    unet_.emplace(kAttention + ".weight", weight_of(torch::rand({6, 5})));
    unet_.emplace(kOut + ".weight", weight_of(torch::rand({6, 6})));
    unet_.emplace(kConvolution + ".weight", weight_of(torch::rand({6, 4, 3, 3})));
    unet_.emplace(kConvolution + ".bias", weight_of(torch::rand({6})));
    text_.emplace("text_model." + kText + ".weight", weight_of(torch::rand({7, 7})));
  }

  Lora open(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata = {},
            const std::string& name = "adapter.safetensors") const {
    write_safetensors(folder_ / name, tensors, metadata);
    return open_lora(folder_ / name);
  }

  // What `layer` becomes when tensors are merged, and the largest difference to the formula in float64.
  double error_of(const std::string& layer, const NamedTensors& tensors, double weight, double scale,
                  const std::map<std::string, std::string>& metadata = {}) {
    Weights& part = layer == kText ? text_ : unet_;
    const std::string name = (layer == kText ? "text_model." : "") + layer + ".weight";
    const torch::Tensor before = part.at(name).read().to(torch::kFloat64);
    merge_lora(open(tensors, metadata), weight, unet_, text_);
    torch::Tensor down;
    torch::Tensor up;
    for (const auto& [key, tensor] : tensors) {
      if (key.find("alpha") == std::string::npos) {
        const bool is_up = key.find("lora_up") != std::string::npos || key.find("lora_B") != std::string::npos ||
                           key.find(".up.") != std::string::npos;
        (is_up ? up : down) = tensor.to(torch::kFloat64).flatten(1);
      }
    }
    const torch::Tensor expected = before + weight * scale * torch::mm(up, down).reshape(before.sizes());
    EXPECT_GT((expected - before).abs().max().item<double>(), 0.01);
    return (read_weight(part.at(name), torch::kFloat32) - expected).abs().max().item<double>();
  }

  test::TemporaryFolder folder_;
  Weights unet_, text_;
};

constexpr double kRounding = 1e-6;

torch::Tensor random(at::IntArrayRef shape) {
  return torch::rand(shape) - 0.5;
}

TEST_F(LoraTest, EveryLayoutIsMergedByTheFormula) {
  const std::pair<std::string, std::string> layouts[] = {
      {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight", "lora_up"},
      {"unet." + kAttention + ".lora_A.weight", "lora_B"},
      {"base_model.model." + kAttention + ".lora_A.default.weight", "lora_B"},
      {"unet." + kAttention + ".lora.down.weight", "lora.up"},
      {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight", "lora.up"},
      {kAttention + ".lora_A.weight", "lora_B"}};
  for (const auto& [down, up] : layouts) {
    std::string up_name = down;
    for (const char* old : {"lora_down", "lora_A", "lora.down"}) {
      if (const auto at = up_name.find(old); at != std::string::npos) {
        up_name.replace(at, std::string(old).size(), up);
      }
    }
    unet_.at(kAttention + ".weight").changes.clear();
    EXPECT_LT(error_of(kAttention, {{down, random({3, 5})}, {up_name, random({6, 3})}}, 0.7, 1.0), kRounding) << down;
  }
}

TEST_F(LoraTest, IsScaledByAlphaOverRank) {
  const std::string layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
  const NamedTensors tensors = {{layer + ".lora_down.weight", random({4, 5})},
                                {layer + ".lora_up.weight", random({6, 4})},
                                {layer + ".alpha", torch::tensor(2.0)}};
  EXPECT_LT(error_of(kAttention, tensors, 1.0, 0.5), kRounding);
}

TEST_F(LoraTest, PeftSettingsComeFromTheMetadata) {
  const NamedTensors tensors = {{"unet." + kAttention + ".lora_A.weight", random({4, 5})},
                                {"unet." + kAttention + ".lora_B.weight", random({6, 4})}};
  const std::string settings = R"({"unet.lora_alpha": 8, "unet.use_rslora": true, "text_encoder.lora_alpha": 1})";
  EXPECT_LT(error_of(kAttention, tensors, 1.0, 4.0, {{"lora_adapter_metadata", settings}}), 10 * kRounding);
}

TEST_F(LoraTest, PeftSettingsComeFromTheFileBesideIt) {
  write_file_atomically(folder_ / "adapter_config.json",
                        as_bytes(R"({"lora_alpha": 8, "alpha_pattern": {"to_q": 2}})"));
  const NamedTensors tensors = {{"base_model.model." + kAttention + ".lora_A.weight", random({4, 5})},
                                {"base_model.model." + kAttention + ".lora_B.weight", random({6, 4})}};
  EXPECT_LT(error_of(kAttention, tensors, 1.0, 0.5), kRounding);
}

TEST_F(LoraTest, ConvolutionsAreMerged) {
  const std::string layer = "lora_unet_down_blocks_0_resnets_0_conv1";
  const NamedTensors tensors = {{layer + ".lora_down.weight", random({2, 4, 3, 3})},
                                {layer + ".lora_up.weight", random({6, 2, 1, 1})}};
  EXPECT_LT(error_of(kConvolution, tensors, -0.5, 1.0), kRounding);
}

TEST_F(LoraTest, ThreeFactorsAreConvolutionsInSequence) {
  const std::string layer = "lora_unet_down_blocks_0_resnets_0_conv1";
  const torch::Tensor down = random({2, 4, 1, 1});
  const torch::Tensor mid = random({2, 2, 3, 3});
  const torch::Tensor up = random({6, 2, 1, 1});
  const Weight& weight = unet_.at(kConvolution + ".weight");
  const torch::Tensor before = weight.read().clone();
  merge_lora(open({{layer + ".lora_down.weight", down},
                   {layer + ".lora_mid.weight", mid},
                   {layer + ".lora_up.weight", up},
                   {layer + ".alpha", torch::tensor(3.0)}}),
             0.5, unet_, text_);
  const torch::Tensor change = read_weight(weight, torch::kFloat32) - before;
  const torch::Tensor x = random({1, 4, 9, 8}).to(torch::kFloat64);
  const auto wide = [](const torch::Tensor& tensor) { return tensor.to(torch::kFloat64); };
  const torch::Tensor expected =
      at::conv2d(at::conv2d(at::conv2d(x, wide(down)), wide(mid)), wide(up)) * (0.5 * 3.0 / 2);
  EXPECT_GT(expected.abs().max().item<double>(), 0.1);
  EXPECT_TRUE(torch::allclose(at::conv2d(x, wide(change)), expected, 0, 1e-5));
}

TEST_F(LoraTest, ThreeFactorsMustFitTheLayer) {
  const auto complaint = [&](at::IntArrayRef down, at::IntArrayRef mid, const std::string& layer) {
    return thrown<ModelError>([&] {
      merge_lora(open({{layer + ".lora_down.weight", random(down)},
                       {layer + ".lora_mid.weight", random(mid)},
                       {layer + ".lora_up.weight", random({6, 2, 1, 1})}}),
                 1.0, unet_, text_);
    });
  };
  EXPECT_THAT(complaint({2, 4, 1, 1}, {2, 2, 5, 5}, kConvolution),
              HasSubstr("is [6, 2, 1, 1] times [2, 2, 5, 5] times [2, 4, 1, 1] where the layer is [6, 4, 3, 3]"));
  EXPECT_THAT(complaint({3, 4, 1, 1}, {2, 2, 3, 3}, kConvolution), HasSubstr("where the layer is"));
  EXPECT_THAT(complaint({2, 4, 3, 3}, {2, 2, 3, 3}, kConvolution), HasSubstr("where the layer is"));
  EXPECT_THAT(complaint({2, 5}, {2, 2, 1, 1}, kAttention), HasSubstr("where the layer is"));
  EXPECT_THAT(thrown<ModelError>([&] {
                open({{"x.lora_mid.weight", random({2, 2, 3, 3})}});
              }),
              HasSubstr("'x' lacks the lower factor"));
}

TEST_F(LoraTest, TextEncoderIsMergedUnderAllItsNames) {
  const std::pair<std::string, std::string> layouts[] = {
      {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
       "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"},
      {"text_encoder.text_model." + kText + ".lora_A.weight", "text_encoder.text_model." + kText + ".lora_B.weight"},
      {"text_encoder." + kText + ".lora_linear_layer.down.weight",
       "text_encoder." + kText + ".lora_linear_layer.up.weight"},
      {"text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight",
       "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight"}};
  for (const auto& [down, up] : layouts) {
    text_.begin()->second.changes.clear();
    EXPECT_LT(error_of(kText, {{down, random({3, 7})}, {up, random({7, 3})}}, 1.0, 1.0), kRounding) << down;
  }
}

TEST_F(LoraTest, OldNamesOfTheOutputAreFound) {
  const std::string layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora";
  EXPECT_LT(
      error_of(kOut, {{layer + ".down.weight", random({3, 6})}, {layer + ".up.weight", random({6, 3})}}, 1.0, 1.0),
      kRounding);
}

TEST_F(LoraTest, SeveralFilesAddUp) {
  const NamedTensors tensors = {{kAttention + ".lora_A.weight", torch::full({1, 5}, 0.5)},
                                {kAttention + ".lora_B.weight", torch::full({6, 1}, 2.0)}};
  const Weight& weight = unet_.at(kAttention + ".weight");
  const torch::Tensor before = weight.read().clone();
  const Lora lora = open(tensors);
  merge_lora(lora, 1.0, unet_, text_);
  merge_lora(lora, 0.25, unet_, text_);
  EXPECT_TRUE(torch::allclose(read_weight(weight, torch::kFloat32), before + 1.25));
}

TEST_F(LoraTest, OtherModelIsRefusedByItsLayerNames) {
  const auto complaint = [&](const NamedTensors& tensors) {
    return thrown<ModelError>([&] { merge_lora(open(tensors), 1.0, unet_, text_); });
  };
  EXPECT_THAT(
      complaint({{"unet.nowhere.lora_A.weight", random({3, 5})}, {"unet.nowhere.lora_B.weight", random({6, 3})}}),
      AllOf(HasSubstr("adapter.safetensors"), HasSubstr("'unet.nowhere' is missing from it"),
            HasSubstr("1 of its 1 layers")));
  EXPECT_THAT(
      complaint({{kAttention + ".lora_A.weight", random({3, 8})}, {kAttention + ".lora_B.weight", random({6, 3})}}),
      AllOf(HasSubstr("to_q' is [6, 3] times [3, 8] where the layer is [6, 5]")));
  EXPECT_THAT(complaint({{"lora_te2_text_model_x.lora_down.weight", random({3, 5})},
                         {"lora_te2_text_model_x.lora_up.weight", random({6, 3})}}),
              HasSubstr("Stable Diffusion XL"));
  EXPECT_TRUE(unet_.at(kAttention + ".weight").changes.empty());
}

TEST_F(LoraTest, IncompleteFileIsRefused) {
  EXPECT_THAT(thrown<ModelError>([&] {
                open({{"unet.x.lora_A.weight", random({3, 5})}});
              }),
              HasSubstr("'unet.x' lacks the upper factor"));
  EXPECT_THAT(thrown<ModelError>([&] {
                open({{"x.lora_up.weight", random({3, 5})}, {"x.alpha", torch::tensor(1.0)}});
              }),
              HasSubstr("'x' lacks the lower factor"));
  EXPECT_THAT(thrown<ModelError>([&] {
                open({{"x.lora_up.weight", random({3, 5})},
                      {"x.lora_down.weight", random({5, 3})},
                      {"x.alpha", torch::zeros({2})}});
              }),
              HasSubstr("must hold one number"));
}

TEST_F(LoraTest, OtherAdapterKindsAreRefused) {
  EXPECT_THAT(thrown<ModelError>([&] { open({{"conv.weight", random({3, 5})}}); }), HasSubstr("is not a LoRA"));
  EXPECT_THAT(
      thrown<ModelError>([&] {
        open({{"x.lora_up.weight", random({3, 5})}, {"x.lora_down.weight", random({5, 3})}, {"x.bias", random({3})}});
      }),
      AllOf(HasSubstr("tensors other than factors"), HasSubstr("'x.bias'")));
  const std::pair<const char*, const char*> kinds[] = {{"x.oft_blocks", "an OFT"},
                                                       {"x.diff_b", "a set of full weight differences"},
                                                       {"x.w_norm", "a set of trained norms"}};
  for (const auto& [tensor, kind] : kinds) {
    for (const bool beside_factors : {false, true}) {
      NamedTensors tensors{{tensor, random({3, 1})}, {"x.alpha", torch::tensor(1.0)}};
      if (beside_factors) {
        tensors.insert(tensors.end(), {{"x.lora_up.weight", random({3, 5})}, {"x.lora_down.weight", random({5, 3})}});
      }
      EXPECT_THAT(thrown<ModelError>([&] { open(tensors); }),
                  AllOf(HasSubstr(kind), HasSubstr(tensor), HasSubstr("adapter.safetensors")));
    }
  }
}

TEST_F(LoraTest, OriginalBlockNamesAreFound) {
  for (const char* layer : {"lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
                            "lycoris_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
                            "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q"}) {
    unet_.at(kAttention + ".weight").changes.clear();
    const std::string name = layer;
    EXPECT_LT(
        error_of(kAttention, {{name + ".lora_down.weight", random({3, 5})}, {name + ".lora_up.weight", random({6, 3})}},
                 1.0, 1.0),
        kRounding)
        << layer;
  }
  const std::string conv = "lora_unet_input_blocks_1_0_in_layers_2";
  EXPECT_LT(
      error_of(kConvolution,
               {{conv + ".lora_down.weight", random({2, 4, 3, 3})}, {conv + ".lora_up.weight", random({6, 2, 1, 1})}},
               1.0, 1.0),
      kRounding);
  for (const char* layer : {"lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
                            "lycoris_text_model_encoder_layers_0_self_attn_q_proj"}) {
    text_.begin()->second.changes.clear();
    const std::string name = layer;
    EXPECT_LT(
        error_of(kText, {{name + ".lora_down.weight", random({3, 7})}, {name + ".lora_up.weight", random({7, 3})}}, 1.0,
                 1.0),
        kRounding);
  }
}

// The change of a layer by an adapter, in float64, is compared with a formula.
TEST_F(LoraTest, LohaIsAProductOfProducts) {
  const std::string layer = "lycoris_down_blocks_0_resnets_0_conv1";
  const torch::Tensor a1 = random({6, 2}), b1 = random({2, 36}), a2 = random({6, 2}), b2 = random({2, 36});
  const Weight& weight = unet_.at(kConvolution + ".weight");
  const torch::Tensor before = weight.read().clone();
  merge_lora(open({{layer + ".hada_w1_a", a1},
                   {layer + ".hada_w1_b", b1},
                   {layer + ".hada_w2_a", a2},
                   {layer + ".hada_w2_b", b2},
                   {layer + ".alpha", torch::tensor(1.0)}}),
             0.8, unet_, text_);
  const torch::Tensor expected = before + 0.8 * 0.5 * (a1.mm(b1) * a2.mm(b2)).reshape({6, 4, 3, 3});
  EXPECT_TRUE(torch::allclose(read_weight(weight, torch::kFloat32), expected, 0, 1e-6));
  EXPECT_GT((expected - before).abs().max().item<double>(), 0.01);
}

TEST_F(LoraTest, LokrIsAKroneckerProduct) {
  const std::string layer = "lora_unet_down_blocks_0_resnets_0_conv1";
  const torch::Tensor w1 = random({2, 2}), w2 = random({3, 2, 3, 3});
  const Weight& weight = unet_.at(kConvolution + ".weight");
  const torch::Tensor before = weight.read().clone();
  merge_lora(open({{layer + ".lokr_w1", w1}, {layer + ".lokr_w2", w2}, {layer + ".alpha", torch::tensor(4.0)}}), 0.5,
             unet_, text_);
  const torch::Tensor change = read_weight(weight, torch::kFloat32) - before;
  for (int out = 0; out < 6; ++out) {
    for (int in = 0; in < 4; ++in) {
      // Whole factors are not scaled by alpha.
      const torch::Tensor expected = 0.5 * w1[out / 3][in / 2] * w2[out % 3][in % 2];
      EXPECT_TRUE(torch::allclose(change[out][in], expected, 0, 1e-6)) << out << " " << in;
    }
  }
  const std::string attention = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
  EXPECT_THAT(
      thrown<ModelError>([&] {
        merge_lora(open({{attention + ".lokr_w1", w1}, {attention + ".lokr_w2", random({3, 2})}}), 1, unet_, text_);
      }),
      HasSubstr("is made of lokr_w1 [2, 2], lokr_w2 [3, 2] where the layer is [6, 5]"));
}

TEST_F(LoraTest, DoraScalesToItsNorms) {
  const torch::Tensor down = random({3, 5}), up = random({6, 3});
  const Weight& weight = unet_.at(kAttention + ".weight");
  const torch::Tensor before = weight.read().clone();
  const torch::Tensor changed = before + up.mm(down);
  for (const bool per_output : {true, false}) {
    const torch::Tensor norms = random({per_output ? 6 : 1, per_output ? 1 : 5}) + 1;
    const torch::Tensor scaled = changed * norms / changed.norm(2, {per_output ? 1 : 0}, /*keepdim=*/true);
    for (const double strength : {1.0, 0.5}) {
      unet_.at(kAttention + ".weight").changes.clear();
      merge_lora(open({{"unet." + kAttention + ".lora_A.weight", down},
                       {"unet." + kAttention + ".lora_B.weight", up},
                       {"unet." + kAttention + ".dora_scale", norms}}),
                 strength, unet_, text_);
      EXPECT_TRUE(
          torch::allclose(read_weight(weight, torch::kFloat32), before + strength * (scaled - before), 0, 1e-5));
    }
  }
}

TEST_F(LoraTest, AlphaPatternsAreRegularExpressionsOfTheEnd) {
  const NamedTensors tensors = {{"unet." + kAttention + ".lora_A.weight", random({4, 5})},
                                {"unet." + kAttention + ".lora_B.weight", random({6, 4})}};
  const std::pair<const char*, double> patterns[] = {
      {"down_blocks.*to_q", 4}, {"to_q", 4}, {"attn1\\\\.to_[qk]", 4}, {"to_k", 1}, {"down_blocks", 1}, {"o_q", 1}};
  for (const auto& [pattern, scale] : patterns) {
    unet_.at(kAttention + ".weight").changes.clear();
    const std::string settings =
        std::string(R"({"unet.lora_alpha": 4, "unet.alpha_pattern": {")") + pattern + R"(": 16}})";
    EXPECT_LT(error_of(kAttention, tensors, 1.0, scale, {{"lora_adapter_metadata", settings}}), 10 * kRounding)
        << pattern;
  }
  EXPECT_THAT(thrown<ModelError>([&] {
                open(tensors, {{"lora_adapter_metadata", R"({"unet.alpha_pattern": {"(": 16}})"}});
              }),
              HasSubstr("alpha_pattern '('"));
}

TEST_F(LoraTest, KindsAreNotMixedInOneLayer) {
  EXPECT_THAT(thrown<ModelError>([&] {
                open({{"x.lora_up.weight", random({3, 5})},
                      {"x.lora_down.weight", random({5, 3})},
                      {"x.lokr_w1", random({1, 1})},
                      {"x.lokr_w2", random({3, 3})}});
              }),
              HasSubstr("'x' lacks factors of a single kind"));
}

TEST_F(LoraTest, NonFiniteFactorIsNamed) {
  merge_lora(open({{kAttention + ".lora_A.weight", torch::full({1, 5}, std::numeric_limits<float>::quiet_NaN())},
                   {kAttention + ".lora_B.weight", torch::full({6, 1}, 2.0)}}),
             1.0, unet_, text_);
  EXPECT_THAT(thrown<ModelError>([&] { read_weight(unet_.at(kAttention + ".weight"), torch::kFloat32); }),
              AllOf(HasSubstr("to_q.lora_A.weight"), HasSubstr("NaN")));
}

TEST_F(LoraTest, AdaptersForFewStepsAreDetectedByTheirNames) {
  const NamedTensors tensors = {{"x.lora_A.weight", random({1, 5})}, {"x.lora_B.weight", random({6, 1})}};
  const auto sampler = [&](const std::string& name, const std::map<std::string, std::string>& metadata = {}) {
    const auto found = open(tensors, metadata, name).few_steps;
    return found ? found->sampler + (found->trailing ? " trailing" : "") + c10::str(" ", found->steps.value_or(0)) : "";
  };
  const std::string plain = "adapter.safetensors";
  EXPECT_EQ(sampler(plain), "");
  EXPECT_EQ(sampler("LCM-lora-sdv1-5.safetensors"), "lcm 0");
  EXPECT_EQ(sampler(plain, {{"modelspec.title", "my LCM"}}), "lcm 0");
  EXPECT_EQ(sampler(plain, {{"ss_output_name", "style_lcm_v2"}}), "lcm 0");
  EXPECT_EQ(sampler(plain, {{"modelspec.tags", "speed,lcm"}}), "lcm 0");
  EXPECT_EQ(sampler(plain, {{"modelspec.description", "no LCM needed"}}), "");
  EXPECT_EQ(sampler("calcmap.safetensors"), "");
  EXPECT_EQ(sampler("Hyper-SD15-1step-lora.safetensors"), "tcd 1");
  EXPECT_EQ(sampler("Hyper-SD15-8steps-CFG-lora.safetensors"), "ddim trailing 8");
  EXPECT_EQ(sampler("TCD-SD15-LoRA.safetensors"), "tcd 0");
  EXPECT_EQ(sampler("pcm_sd15_smallcfg_2step_converted.safetensors"), "ddim trailing 2");
  // A folder counts if it is the name of a LoRA, and the file has none.
  for (const char* folder : {"lcm", "lcm-lora-sdv1-5"}) {
    std::filesystem::create_directory(folder_ / folder);
  }
  EXPECT_EQ(sampler("lcm/style.safetensors"), "");
  EXPECT_EQ(sampler("lcm/pytorch_lora_weights.safetensors"), "");
  EXPECT_EQ(sampler("lcm-lora-sdv1-5/pytorch_lora_weights.safetensors"), "lcm 0");
}

}  // namespace
}  // namespace fmboost
