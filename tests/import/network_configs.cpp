#include "import/network_configs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"

#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"
#include "support/thrown.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::shapes_of_network;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

void expect_fields(const json& config, const json& fields) {
  for (const auto& [key, value] : fields.items()) {
    EXPECT_EQ(config.value(key, json("nothing")), value) << key;
  }
}

TEST(UnetConfig, StableDiffusion1IsDetected) {
  const json config = unet_config(shapes_of_network(*Unet(UnetOptions())), "file");
  expect_fields(
      config,
      {{"_class_name", "UNet2DConditionModel"},
       {"attention_head_dim", 8},
       {"block_out_channels", {320, 640, 1280, 1280}},
       {"cross_attention_dim", 768},
       {"down_block_types", {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}},
       {"in_channels", 4},
       {"layers_per_block", 2},
       {"out_channels", 4},
       {"time_cond_proj_dim", nullptr},
       {"transformer_layers_per_block", 1},
       {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}},
       {"use_linear_projection", false}});
}

TEST(UnetConfig, StableDiffusion2IsDetected) {
  UnetOptions options;
  options.use_linear_projection = true;
  options.cross_attention_dim = 1024;
  options.attention_head_dim = {5, 10, 20, 20};
  const json config = unet_config(shapes_of_network(*Unet(options)), "file");
  expect_fields(
      config,
      {{"attention_head_dim", {5, 10, 20, 20}}, {"cross_attention_dim", 1024}, {"use_linear_projection", true}});
}

TEST(UnetConfig, OtherDepthsAndTheGuidanceEmbeddingAreDetected) {
  UnetOptions options;
  options.block_out_channels = {32, 64};
  options.down_block_types = {"DownBlock2D", "CrossAttnDownBlock2D"};
  options.up_block_types = {"CrossAttnUpBlock2D", "UpBlock2D"};
  options.layers_per_block = {3, 3};
  options.transformer_layers_per_block = {2, 2};
  options.attention_head_dim = {8, 8};
  options.time_cond_proj_dim = 256;
  const json config = unet_config(shapes_of_network(*Unet(options)), "file");
  expect_fields(config, {{"block_out_channels", {32, 64}},
                         {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D"}},
                         {"layers_per_block", 3},
                         {"time_cond_proj_dim", 256},
                         {"transformer_layers_per_block", 2},
                         {"up_block_types", {"CrossAttnUpBlock2D", "UpBlock2D"}}});
}

TEST(AutoencoderConfig, StableDiffusionIsDetected) {
  const json config = autoencoder_config(shapes_of_network(*AutoencoderKl(AutoencoderKlOptions())), "file");
  expect_fields(config, {{"_class_name", "AutoencoderKL"},
                         {"block_out_channels", {128, 256, 512, 512}},
                         {"in_channels", 3},
                         {"latent_channels", 4},
                         {"layers_per_block", 2},
                         {"mid_block_add_attention", true},
                         {"scaling_factor", 0.18215},
                         {"use_quant_conv", true}});
}

TEST(AutoencoderConfig, TinyAutoencoderIsDetected) {
  AutoencoderTinyOptions options;
  options.channels = 16;
  options.num_encoder_blocks = {1, 2, 3};
  options.num_decoder_blocks = {3, 2, 1};
  const json config = tiny_autoencoder_config(shapes_of_network(*AutoencoderTiny(options)), "file");
  expect_fields(config, {{"_class_name", "AutoencoderTiny"},
                         {"encoder_block_out_channels", {16, 16, 16}},
                         {"latent_channels", 4},
                         {"num_decoder_blocks", {3, 2, 1}},
                         {"num_encoder_blocks", {1, 2, 3}}});
}

TEST(TextConfig, ClipIsDetected) {
  const json config = text_config(shapes_of_network(*ClipTextModel(ClipTextOptions())), "file", "quick_gelu");
  expect_fields(config, {{"hidden_act", "quick_gelu"},
                         {"hidden_size", 768},
                         {"intermediate_size", 3072},
                         {"max_position_embeddings", 77},
                         {"model_type", "clip_text_model"},
                         {"num_attention_heads", 12},
                         {"num_hidden_layers", 12},
                         {"vocab_size", 49408}});
}

TEST(Configs, MissingTensorIsNamed) {
  Weights unet = shapes_of_network(*Unet(UnetOptions()));
  unet.erase("conv_in.weight");
  EXPECT_THAT(thrown<ModelError>([&] { unet_config(unet, "model.safetensors"); }),
              AllOf(HasSubstr("'model.safetensors' lacks the tensor 'conv_in.weight'")));
  EXPECT_THAT(thrown<ModelError>([&] { unet_config({}, "model.safetensors"); }), HasSubstr("proj_in.weight"));
  EXPECT_THAT(thrown<ModelError>([&] { autoencoder_config({}, "vae"); }), HasSubstr("'vae' lacks"));
  EXPECT_THAT(thrown<ModelError>([&] { text_config({}, "text", "gelu"); }), HasSubstr("token_embedding"));
}

TEST(Configs, TensorWithTooFewDimensionsIsNamed) {
  Weights unet = shapes_of_network(*Unet(UnetOptions()));
  unet.at("conv_in.weight").shape = {320};
  EXPECT_THAT(thrown<ModelError>([&] { unet_config(unet, "file"); }), HasSubstr("'conv_in.weight' has 1 dimensions"));
}

}  // namespace
}  // namespace fmboost
