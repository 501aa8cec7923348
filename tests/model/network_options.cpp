#include "model/network_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/thrown.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

JsonReader config(const json& value) {
  return JsonReader::parse(value.dump(), "unet/config.json");
}

// Stable Diffusion 1.5's, as old versions of diffusers wrote it.
json unet() {
  return {{"_class_name", "UNet2DConditionModel"},
          {"_diffusers_version", "0.6.0"},
          {"act_fn", "silu"},
          {"attention_head_dim", 8},
          {"block_out_channels", {320, 640, 1280, 1280}},
          {"center_input_sample", false},
          {"cross_attention_dim", 768},
          {"down_block_types", {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}},
          {"downsample_padding", 1},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"in_channels", 4},
          {"layers_per_block", 2},
          {"mid_block_scale_factor", 1},
          {"norm_eps", 1e-05},
          {"norm_num_groups", 32},
          {"out_channels", 4},
          {"sample_size", 64},
          {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}}};
}

json autoencoder() {
  return {{"in_channels", 3},      {"out_channels", 3},         {"block_out_channels", {128, 256}},
          {"layers_per_block", 2}, {"latent_channels", 4},      {"act_fn", "silu"},
          {"force_upcast", true},  {"scaling_factor", 0.18215}, {"down_block_types", {"DownEncoderBlock2D"}}};
}

json tiny() {
  return {{"in_channels", 3},
          {"out_channels", 3},
          {"latent_channels", 4},
          {"num_encoder_blocks", {1, 3}},
          {"num_decoder_blocks", {3, 1}},
          {"encoder_block_out_channels", {64, 64}},
          {"decoder_block_out_channels", {64, 64}},
          {"act_fn", "relu"}};
}

TEST(UnetConfiguration, SingleNumbersApplyToAllLevels) {
  const UnetOptions options = read_unet_options(config(unet()));
  EXPECT_THAT(options.layers_per_block, ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(options.attention_head_dim, ElementsAre(8, 8, 8, 8));
  EXPECT_THAT(options.transformer_layers_per_block, ElementsAre(1, 1, 1, 1));
  EXPECT_TRUE(options.mid_block);
  EXPECT_FALSE(options.use_linear_projection);
  EXPECT_FALSE(options.time_cond_proj_dim.has_value());
}

TEST(UnetConfiguration, AcceptsListsAndFieldsOfLaterModels) {
  json source = unet();
  source.update({{"attention_head_dim", {5, 10, 20, 20}},
                 {"cross_attention_dim", 1024},
                 {"use_linear_projection", true},
                 {"upcast_attention", true},
                 {"time_cond_proj_dim", 256},
                 {"mid_block_type", nullptr},
                 {"class_embed_type", nullptr},
                 {"resnet_out_scale_factor", 1.0}});
  const UnetOptions options = read_unet_options(config(source));
  EXPECT_THAT(options.attention_head_dim, ElementsAre(5, 10, 20, 20));
  EXPECT_EQ(options.time_cond_proj_dim, 256);
  EXPECT_TRUE(options.use_linear_projection);
  EXPECT_FALSE(options.mid_block);
}

struct WrongOption {
  const char* key;
  json value;
  const char* needed;
};
void PrintTo(const WrongOption& option, std::ostream* stream) {
  *stream << option.key << " = " << option.value;
}

class WrongUnet : public testing::TestWithParam<WrongOption> {};
TEST_P(WrongUnet, IsRefusedByTheNameOfItsOption) {
  json source = unet();
  source[GetParam().key] = GetParam().value;
  EXPECT_THAT(thrown<ModelError>([&] { read_unet_options(config(source)); }),
              AllOf(HasSubstr("unet/config.json"), HasSubstr(GetParam().key), HasSubstr(GetParam().needed)));
}
INSTANTIATE_TEST_SUITE_P(
    Options, WrongUnet,
    testing::Values(WrongOption{"in_channels", nullptr, "a value"}, WrongOption{"in_channels", 0, "from 1 to 65536"},
                    WrongOption{"block_out_channels", 320, "a list of whole numbers"},
                    WrongOption{"block_out_channels", json::array(), "1 to 12 levels"},
                    WrongOption{"block_out_channels", json({320, 640, 1280, 1281}), "multiples of norm_num_groups"},
                    WrongOption{"attention_head_dim", json({8, 8}), "a list of 4, found 2"},
                    WrongOption{"attention_head_dim", 7, "divide block_out_channels"},
                    WrongOption{"layers_per_block", 1000, "from 1 to 64, found 1000"},
                    WrongOption{"layers_per_block", 1.5, "a whole number"},
                    WrongOption{"down_block_types", json({"DownBlock2D"}), "an entry for each"},
                    WrongOption{"up_block_types", json({"UpBlock2D", "UpBlock2D", "UpBlock2D", "AttnUpBlock2D"}),
                                "found 'AttnUpBlock2D'"},
                    WrongOption{"mid_block_type", "UNetMidBlock2DSimpleCrossAttn", "\"UNetMidBlock2DCrossAttn\""},
                    WrongOption{"act_fn", "gelu", "\"silu\", found \"gelu\""},
                    WrongOption{"addition_embed_type", "text_time", "such a network is not supported"},
                    WrongOption{"class_embed_type", "timestep", "such a network is not supported"},
                    WrongOption{"only_cross_attention", true, "false"},
                    WrongOption{"cross_attention_dim", json({768, 768}), "a whole number"},
                    WrongOption{"norm_eps", 0, "between 0 and 1"},
                    WrongOption{"gated", true, "this version does not support it"}));

TEST(AutoencoderConfiguration, FieldsMissingInOlderFilesAreOptional) {
  const AutoencoderKlOptions options = read_autoencoder_kl_options(config(autoencoder()));
  EXPECT_EQ(options.factor(), 2);
  EXPECT_TRUE(options.use_quant_conv && options.use_post_quant_conv && options.mid_block_add_attention);
}

class WrongAutoencoder : public testing::TestWithParam<WrongOption> {};
TEST_P(WrongAutoencoder, IsRefusedByTheNameOfItsOption) {
  json source = autoencoder();
  source[GetParam().key] = GetParam().value;
  EXPECT_THAT(thrown<ModelError>([&] { read_autoencoder_kl_options(config(source)); }),
              AllOf(HasSubstr(GetParam().key), HasSubstr(GetParam().needed)));
}
INSTANTIATE_TEST_SUITE_P(
    Options, WrongAutoencoder,
    testing::Values(WrongOption{"latents_mean", json({0.1}), "is not supported"},
                    WrongOption{"down_block_types", json({"AttnDownEncoderBlock2D"}), "a list of DownEncoderBlock2D"},
                    WrongOption{"block_out_channels", json({128, 100}), "multiples of norm_num_groups"},
                    WrongOption{"layers_per_block", -1, "from 1 to 64, found -1"},
                    WrongOption{"spatial_norm", true, "does not support it"}));

TEST(TinyAutoencoderConfiguration, HasOneWidth) {
  EXPECT_EQ(read_autoencoder_tiny_options(config(tiny())).channels, 64);
  json source = tiny();
  source["decoder_block_out_channels"] = {64, 32};
  EXPECT_THAT(thrown<ModelError>([&] { read_autoencoder_tiny_options(config(source)); }),
              AllOf(HasSubstr("decoder_block_out_channels"), HasSubstr("equal numbers")));
  source["decoder_block_out_channels"] = {32, 32};
  EXPECT_THAT(thrown<ModelError>([&] { read_autoencoder_tiny_options(config(source)); }),
              HasSubstr("the value of encoder_block_out_channels"));
  source = tiny();
  source["num_decoder_blocks"] = {3, 3, 1};
  EXPECT_THAT(thrown<ModelError>([&] { read_autoencoder_tiny_options(config(source)); }),
              AllOf(HasSubstr("num_decoder_blocks"), HasSubstr("a list of 2, found 3")));
}

TEST(TextConfiguration, IgnoresFieldsOutsideTheNetwork) {
  json source = {{"vocab_size", 49408},        {"hidden_size", 768},        {"intermediate_size", 3072},
                 {"num_hidden_layers", 12},    {"num_attention_heads", 12}, {"max_position_embeddings", 77},
                 {"hidden_act", "quick_gelu"}, {"bos_token_id", 0},         {"torch_dtype", "float32"}};
  EXPECT_EQ(read_clip_text_options(config(source)).clip_skip, 0);
  source["clip_skip"] = 12;
  EXPECT_THAT(thrown<ModelError>([&] { read_clip_text_options(config(source)); }),
              AllOf(HasSubstr("clip_skip"), HasSubstr("less than num_hidden_layers")));
  source["clip_skip"] = 1;
  source["hidden_act"] = "relu";
  EXPECT_THAT(thrown<ModelError>([&] { read_clip_text_options(config(source)); }), HasSubstr("found 'relu'"));
}

}  // namespace
}  // namespace fmboost
