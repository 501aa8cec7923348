#include "fmboost/import/detect_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fmboost {
namespace {

using testing::HasSubstr;
using enum WeightKind;

TensorShapes named(const std::vector<std::string>& names) {
  TensorShapes shapes;
  for (const auto& name : names) {
    shapes[name] = {4, 4, 3, 3};
  }
  return shapes;
}

// A checkpoint in the original layout, as far as it is looked at.
TensorShapes checkpoint(std::int64_t channels, std::int64_t text_width) {
  return {{"model.diffusion_model.input_blocks.0.0.weight", {320, channels, 3, 3}},
          {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", {320, text_width}},
          {"first_stage_model.decoder.conv_in.weight", {512, 4, 3, 3}},
          {"cond_stage_model.transformer.text_model.final_layer_norm.weight", {text_width}}};
}

TEST(DetectWeights, StableDiffusionVersionFollowsFromInputsAndTextWidth) {
  EXPECT_EQ(detect_weights(checkpoint(4, 768)).kind, stable_diffusion);
  EXPECT_EQ(detect_weights(checkpoint(4, 768)).what, "a Stable Diffusion 1 checkpoint");
  EXPECT_EQ(detect_weights(checkpoint(4, 1024)).what, "a Stable Diffusion 2 checkpoint");
  EXPECT_EQ(detect_weights(checkpoint(4, 32)).kind, stable_diffusion);
  auto consistency = checkpoint(4, 768);
  consistency["model.diffusion_model.time_embed.cond_proj.weight"] = {320, 256};
  EXPECT_THAT(detect_weights(consistency).what, HasSubstr("guidance embedding"));
}

TEST(DetectWeights, ModelsWithOtherInputsAreNamed) {
  EXPECT_THAT(detect_weights(checkpoint(9, 768)).what, HasSubstr("inpainting"));
  EXPECT_THAT(detect_weights(checkpoint(8, 768)).what, HasSubstr("InstructPix2Pix"));
  EXPECT_THAT(detect_weights(checkpoint(5, 1024)).what, HasSubstr("depth"));
  EXPECT_THAT(detect_weights(checkpoint(7, 1024)).what, HasSubstr("upscaling"));
  EXPECT_EQ(detect_weights(checkpoint(9, 768)).kind, other_model);
}

TEST(DetectWeights, DiffusersLayoutIsRecognized) {
  const TensorShapes shapes = {{"unet.conv_in.weight", {320, 4, 3, 3}},
                               {"unet.time_embedding.linear_1.weight", {1280, 320}},
                               {"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", {1280, 768}},
                               {"text_encoder.text_model.final_layer_norm.weight", {768}}};
  EXPECT_EQ(detect_weights(shapes).kind, stable_diffusion);
  TensorShapes alone = shapes;
  alone.erase("text_encoder.text_model.final_layer_norm.weight");
  EXPECT_EQ(detect_weights(alone).kind, component);
  EXPECT_THAT(detect_weights(alone).what, HasSubstr("alone"));
}

struct Case {
  std::vector<std::string> names;
  WeightKind kind;
  const char* what;
};

TEST(DetectWeights, OtherFilesAreRecognized) {
  const Case cases[] = {
      {{"conditioner.embedders.0.transformer.x", "model.diffusion_model.input_blocks.0.0.weight"},
       other_model,
       "Stable Diffusion XL"},
      {{"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"}, other_model, "Stable Diffusion 3"},
      {{"model.diffusion_model.double_blocks.0.img_attn.qkv.weight"}, other_model, "Flux"},
      {{"single_transformer_blocks.0.x", "transformer_blocks.0.attn.add_q_proj.weight"}, other_model, "Flux"},
      {{"lora_unet_mid_block_x.lora_down.weight"}, lora, "LoRA"},
      {{"unet.mid_block.x.lora_A.weight"}, lora, "LoRA"},
      {{"unet.mid_block.x.processor.to_q_lora.down.weight"}, lora, "LoRA"},
      {{"lora_unet_x.hada_w1_a"}, other_adapter, "LoHa"},
      {{"control_model.input_blocks.0.0.weight"}, other_adapter, "ControlNet"},
      {{"controlnet_cond_embedding.conv_in.weight", "conv_in.weight"}, other_adapter, "ControlNet"},
      {{"down_blocks.0.motion_modules.0.x"}, other_adapter, "AnimateDiff"},
      {{"emb_params"}, other_adapter, "textual inversion"},
      {{"decoder.conv_in.weight", "encoder.conv_in.weight"}, autoencoder, "autoencoder"},
      {{"first_stage_model.decoder.conv_in.weight"}, autoencoder, "autoencoder"},
      {{"encoder.layers.0.weight", "decoder.layers.0.weight"}, tiny_autoencoder, "TAESD"},
      {{"1.weight", "3.conv.0.weight"}, component, "original layout"},
      {{"time_embed.0.weight", "middle_block.1.qkv.weight", "input_blocks.0.0.weight"}, coupling, "coupling"},
      {{"conv_first.weight", "body.0.rdb1.conv1.weight"}, upscaler, "ESRGAN"},
      {{"model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"}, upscaler, "ESRGAN"},
      {{"text_model.encoder.layers.0.mlp.fc1.weight"}, component, "CLIP"},
      {{"encoder.block.0.layer.0.SelfAttention.q.weight"}, component, "T5"},
      {{"transformer.h.0.attn.c_attn.weight"}, unknown, "unknown kind"},
      {{}, unknown, "unknown kind"}};
  for (const auto& [names, kind, what] : cases) {
    const Recognition found = detect_weights(named(names));
    EXPECT_EQ(found.kind, kind) << found.what;
    EXPECT_THAT(found.what, HasSubstr(what));
    EXPECT_FALSE(found.use.empty());
  }
}

}  // namespace
}  // namespace fmboost
