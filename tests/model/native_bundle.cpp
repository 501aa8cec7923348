#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "nn/default_model/conv_autoencoder.h"
#include "nn/default_model/patch_unet.h"
#include "nn/default_model/word_transformer.h"
#include "nn/layers/load_weights.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"
#include "support/compare.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

const ClipTextOptions kText{.vocab_size = 8,
                            .hidden_size = 16,
                            .intermediate_size = 24,
                            .num_hidden_layers = 2,
                            .num_attention_heads = 2,
                            .max_position_embeddings = 4};
const UnetOptions kUnet{.block_out_channels = {16, 16},
                        .down_block_types = {"CrossAttnDownBlock2D", "DownBlock2D"},
                        .up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D"},
                        .layers_per_block = {1, 1},
                        .transformer_layers_per_block = {1, 1},
                        .attention_head_dim = {2, 2},
                        .cross_attention_dim = 16,
                        .norm_num_groups = 4};
const AutoencoderKlOptions kAutoencoder{.block_out_channels = {8, 8, 8}, .layers_per_block = 1, .norm_num_groups = 4};
const AutoencoderTinyOptions kTiny{.channels = 8, .num_encoder_blocks = {1, 1, 1}, .num_decoder_blocks = {1, 1, 1}};

/// The tiny bundle with native networks of random weights, stored in float16.
class NativeBundle : public testing::Test {
 protected:
  NativeBundle() {
    json& manifest = files_.manifest;
    write(*ClipTextModel(kText), "text.safetensors");
    set(manifest["text_encoder"], "text.safetensors",
        {{"model_type", "clip_text_model"},
         {"vocab_size", 8},
         {"hidden_size", 16},
         {"intermediate_size", 24},
         {"num_hidden_layers", 2},
         {"num_attention_heads", 2},
         {"max_position_embeddings", 4},
         {"hidden_act", "quick_gelu"},
         {"torch_dtype", "float16"}});
    manifest["text_encoder"]["width"] = 16;
    write(*Unet(kUnet), "unet.safetensors");
    set(manifest["denoiser"], "unet.safetensors",
        {{"_class_name", "UNet2DConditionModel"},
         {"in_channels", 4},
         {"out_channels", 4},
         {"block_out_channels", {16, 16}},
         {"down_block_types", kUnet.down_block_types},
         {"up_block_types", kUnet.up_block_types},
         {"layers_per_block", 1},
         {"attention_head_dim", 2},
         {"cross_attention_dim", 16},
         {"norm_num_groups", 4},
         {"act_fn", "silu"},
         {"class_embed_type", nullptr}});
    write(*AutoencoderKl(kAutoencoder), "vae.safetensors");
    json& autoencoder = manifest["autoencoder"];
    autoencoder.erase("encoder");
    autoencoder.erase("decoder");
    set(autoencoder, "vae.safetensors",
        {{"_class_name", "AutoencoderKL"},
         {"in_channels", 3},
         {"out_channels", 3},
         {"block_out_channels", {8, 8, 8}},
         {"layers_per_block", 1},
         {"latent_channels", 4},
         {"norm_num_groups", 4}});
    files_.write();
  }

  void set(json& entry, const std::string& file, const json& config) const {
    entry.update({{"backend", "native"}, {"file", file}, {"sha256", ""}, {"config", config}});
  }
  // `change` sees the tensors before they are written.
  void write(
      torch::nn::Module& module, const std::string& file,
      const std::function<void(NamedTensors&)>& change = [](NamedTensors&) {}) const {
    torch::manual_seed(1);
    NamedTensors tensors;
    for (const auto& item : module.named_parameters()) {
      tensors.emplace_back(item.key(), (0.3 * torch::randn(item.value().sizes())).to(torch::kFloat16));
    }
    change(tensors);
    write_safetensors(files_.folder() / file, tensors);
  }
  std::string refusal(const char* pointer, const json& value) {
    json manifest = files_.manifest;
    manifest[json::json_pointer(pointer)] = value;
    return thrown<ModelError>([&] { parse_manifest(manifest.dump(), "bundle.json"); });
  }

  test::TinyBundle files_;
};

TEST_F(NativeBundle, LoadsEveryComponent) {
  const Bundle opened = files_.open();
  const torch::NoGradGuard no_grad;
  const torch::Tensor ids = torch::tensor({{2, 6, 0, 0}}, torch::kInt64);
  const torch::Tensor text = opened.load_text_encoder({})->encode(ids);
  EXPECT_EQ(text.sizes(), at::IntArrayRef({1, 4, 16}));
  ClipTextModel clip(kText);
  load_into(*clip, SafetensorsFile(files_.folder() / "text.safetensors"), {});
  EXPECT_TRUE(test::is_close(text, clip->forward(ids), 1e-5));
  const torch::Tensor x = torch::randn({1, 4, 4, 6});
  const torch::Tensor prediction = opened.load_denoiser({})->predict(x, 800.0, text, {});
  EXPECT_EQ(prediction.sizes(), x.sizes());
  Unet unet(kUnet);
  load_into(*unet, SafetensorsFile(files_.folder() / "unet.safetensors"), {});
  const auto expected = [&](float timestep) { return unet->forward(x, torch::full({1}, timestep), text); };
  EXPECT_TRUE(test::is_close(prediction, expected(800), 1e-4));
  EXPECT_FALSE(test::is_close(prediction, expected(700), 1e-3));
  const auto autoencoder = opened.load_autoencoder({});
  EXPECT_EQ(autoencoder->encode(torch::zeros({1, 3, 8, 12})).sizes(), at::IntArrayRef({1, 4, 2, 3}));
  EXPECT_EQ(autoencoder->decode(torch::zeros({1, 4, 2, 3})).sizes(), at::IntArrayRef({1, 3, 8, 12}));
  EXPECT_GT(autoencoder->bytes_per_pixel(), 0);
}

TEST_F(NativeBundle, EncodesUpToTheRequestedLayer) {
  const torch::Tensor ids = torch::tensor({{2, 6, 0, 0}}, torch::kInt64);
  const auto encode = [&](std::optional<int> clip_skip) {
    return files_.open().load_text_encoder({})->encode(ids, clip_skip);
  };
  const torch::Tensor last = encode({});
  EXPECT_TRUE(torch::equal(encode(1), last));
  EXPECT_FALSE(torch::allclose(encode(2), last));
  files_.manifest["text_encoder"]["config"]["clip_skip"] = 1;
  files_.write();
  EXPECT_FALSE(torch::allclose(encode({}), last));
  EXPECT_TRUE(torch::equal(encode(1), last)) << "whatever the bundle says";
  EXPECT_THAT(thrown<ModelError>([&] { encode(3); }), HasSubstr("cannot omit 2 of the 2 layers"));
}

TEST_F(NativeBundle, ScalesLatents) {
  const auto plain = [&](double scale, double shift) {
    files_.manifest["autoencoder"]["scale"] = scale;
    files_.manifest["autoencoder"]["shift"] = shift;
    files_.write();
    return files_.open().load_autoencoder({});
  };
  const torch::Tensor pixels = torch::rand({1, 3, 8, 8}) * 2 - 1;
  const torch::Tensor raw = plain(1, 0)->encode(pixels);
  const auto scaled = plain(0.5, 0.25);
  EXPECT_TRUE(test::is_close(scaled->encode(pixels), (raw - 0.25) * 0.5, 1e-6));
  EXPECT_TRUE(test::is_close(scaled->decode((raw - 0.25) * 0.5), plain(1, 0)->decode(raw), 1e-5));
}

TEST_F(NativeBundle, ComputesInTheRequestedDtype) {
  const auto decode = [&](torch::ScalarType dtype) {
    return files_.open().load_autoencoder({torch::kCPU, dtype})->decode(torch::ones({1, 4, 2, 2}));
  };
  const torch::Tensor exact = decode(torch::kFloat32);
  EXPECT_EQ(decode(torch::kBFloat16).scalar_type(), torch::kFloat32);
  EXPECT_TRUE(test::is_close(decode(torch::kBFloat16), exact, 0.1));
  EXPECT_FALSE(test::is_close(decode(torch::kBFloat16), exact, 1e-5));
}

TEST_F(NativeBundle, SupportsTheTinyAutoencoder) {
  write(*AutoencoderTiny(kTiny), "taesd.safetensors");
  set(files_.manifest["autoencoder"], "taesd.safetensors",
      {{"_class_name", "AutoencoderTiny"},
       {"in_channels", 3},
       {"out_channels", 3},
       {"latent_channels", 4},
       {"encoder_block_out_channels", {8, 8, 8}},
       {"decoder_block_out_channels", {8, 8, 8}},
       {"num_encoder_blocks", {1, 1, 1}},
       {"num_decoder_blocks", {1, 1, 1}}});
  files_.write();
  const auto autoencoder = files_.open().load_autoencoder({});
  EXPECT_EQ(autoencoder->encode(torch::zeros({1, 3, 8, 12})).sizes(), at::IntArrayRef({1, 4, 2, 3}));
  EXPECT_EQ(autoencoder->decode(torch::zeros({1, 4, 2, 3})).sizes(), at::IntArrayRef({1, 3, 8, 12}));
}

TEST_F(NativeBundle, SupportsTheNetworksOfTheDefaultModel) {
  json& manifest = files_.manifest;
  write(*WordTransformer(WordTransformerOptions{.words = 8, .length = 4, .width = 16, .layers = 1, .heads = 2}),
        "text.safetensors");
  set(manifest["text_encoder"], "text.safetensors",
      {{"_class_name", "WordTransformer"}, {"words", 8}, {"length", 4}, {"width", 16}, {"layers", 1}, {"heads", 2}});
  write(*PatchUnet(PatchUnetOptions{.latent_channels = 4,
                                    .widths = {32},
                                    .down = {1},
                                    .up = {1},
                                    .text_width = 16,
                                    .heads = 2,
                                    .fine_channels = 8,
                                    .fine_blocks = 1}),
        "denoiser.safetensors");
  set(manifest["denoiser"], "denoiser.safetensors",
      {{"_class_name", "PatchUnet"},
       {"latent_channels", 4},
       {"widths", {32}},
       {"down", {1}},
       {"up", {1}},
       {"text_width", 16},
       {"heads", 2},
       {"fine_channels", 8},
       {"fine_blocks", 1}});
  write(*ConvAutoencoder(ConvAutoencoderOptions{
            .latent_channels = 4, .encoder_channels = 8, .decoder_channels = 8, .fine_channels = 8}),
        "autoencoder.safetensors");
  set(manifest["autoencoder"], "autoencoder.safetensors",
      {{"_class_name", "ConvAutoencoder"},
       {"latent_channels", 4},
       {"encoder_channels", 8},
       {"encoder_blocks", 4},
       {"decoder_channels", 8},
       {"decoder_blocks", 5},
       {"fine_channels", 8},
       {"fine_blocks", 2}});
  files_.write();
  const Bundle opened = files_.open();
  const torch::Tensor text = opened.load_text_encoder({})->encode(torch::tensor({{2, 6, 0, 0}}, torch::kInt64));
  const torch::Tensor x = torch::randn({1, 4, 4, 6});
  EXPECT_EQ(opened.load_denoiser({})->predict(x, 800.0, text, {}).sizes(), x.sizes());
  const auto autoencoder = opened.load_autoencoder({});
  EXPECT_EQ(autoencoder->decode(autoencoder->encode(torch::zeros({1, 3, 8, 12}))).sizes(),
            at::IntArrayRef({1, 3, 8, 12}));
  EXPECT_THAT(thrown<ModelError>([&] {
                opened.load_text_encoder({})->encode(torch::zeros({1, 4}, torch::kInt64), 2);
              }),
              HasSubstr("is not a CLIP model"));
  EXPECT_THAT(refusal("/text_encoder/config/length", 3), HasSubstr("text_encoder.config.length is 3"));
  EXPECT_THAT(refusal("/denoiser/size_multiple", 12),
              HasSubstr("denoiser.size_multiple is 12: the network needs a multiple of 8"));
  EXPECT_THAT(refusal("/denoiser/config/fine_blocks", -1), HasSubstr("fine_blocks must be from 0 to 64, found -1"));
  EXPECT_THAT(refusal("/autoencoder/factor", 2), HasSubstr("that of autoencoder.config is 4"));
}

TEST_F(NativeBundle, IsVerifiedByTheTensorsOfItsFiles) {
  const auto lines = files_.open().verify();
  for (const char* file : {"text.safetensors", "unet.safetensors", "vae.safetensors"}) {
    EXPECT_THAT(lines, Contains(HasSubstr(std::string("hash of ") + file)));
    EXPECT_THAT(lines, Contains(std::string("tensors of ") + file));
  }
}

TEST_F(NativeBundle, MismatchedTensorsAreNamed) {
  write(*Unet(kUnet), "unet.safetensors", [](NamedTensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      name = name == "conv_in.bias" ? "conv_in.scale" : name;
      tensor = name == "conv_out.weight" ? tensor.slice(0, 0, 3) : tensor;
    }
  });
  files_.write();
  for (const std::string& message : {thrown<ModelError>([&] { files_.open().load_denoiser({}); }),
                                     thrown<ModelError>([&] { files_.open().verify(); })}) {
    EXPECT_THAT(message, AllOf(HasSubstr("unet.safetensors"), HasSubstr("missing (1):\n    conv_in.bias"),
                               HasSubstr("unknown to the network (1):\n    conv_in.scale"),
                               HasSubstr("conv_out.weight: expected [4, 16, 3, 3], found [3, 16, 3, 3]")));
  }
}

TEST_F(NativeBundle, NonFiniteWeightsAreRefused) {
  write(*ClipTextModel(kText), "text.safetensors",
        [](NamedTensors& tensors) { tensors[3].second.flatten()[1] = std::nanf(""); });
  files_.write();
  EXPECT_THAT(thrown<ModelError>([&] { files_.open().load_text_encoder({}); }),
              AllOf(HasSubstr("text.safetensors"), HasSubstr("tensor 'text_model."), HasSubstr("NaN or infinity")));
}

TEST_F(NativeBundle, ComparesConfigurationsWithTheManifest) {
  EXPECT_THAT(refusal("/text_encoder/width", 32),
              HasSubstr("text_encoder.width is 32, but text_encoder.config.hidden_size is 16"));
  EXPECT_THAT(refusal("/tokenizer/max_length", 5),
              HasSubstr("tokenizer.max_length is 5, but text_encoder.config.max_position_embeddings is 4"));
  EXPECT_THAT(refusal("/denoiser/config/in_channels", 9),
              HasSubstr("denoiser.latent_channels is 4, but denoiser.config.in_channels is 9"));
  EXPECT_THAT(refusal("/denoiser/config/cross_attention_dim", 8),
              HasSubstr("denoiser.config.cross_attention_dim is 8"));
  EXPECT_THAT(refusal("/denoiser/guidance_embedding", 8), HasSubstr("denoiser.config.time_cond_proj_dim is 0"));
  EXPECT_THAT(refusal("/autoencoder/config/latent_channels", 8), HasSubstr("autoencoder.config.latent_channels is 8"));
  EXPECT_THAT(refusal("/autoencoder/config/out_channels", 1), HasSubstr("autoencoder.config.out_channels is 1"));
  EXPECT_THAT(refusal("/autoencoder/config/block_out_channels", json({8, 8})),
              HasSubstr("autoencoder.factor is 4, but that of autoencoder.config is 2"));
}

}  // namespace
}  // namespace fmboost
