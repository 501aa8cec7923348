#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "nn/layers/layers.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::HasSubstr;

// Outputs and gradients are compared with the originals' in tests/python/test_networks.py.

std::int64_t parameters_of(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) {
    count += parameter.numel();
  }
  return count;
}

std::size_t bytes_held_by(const torch::nn::Module& module) {
  std::size_t bytes = 0;
  for (const auto& parameter : module.parameters()) {
    bytes += parameter.storage().nbytes();
  }
  return bytes;
}

TEST(NativeNetworks, DefaultsHaveThePublishedSizes) {
  EXPECT_EQ(parameters_of(*ClipTextModel(ClipTextOptions{})), 123'060'480);
  EXPECT_EQ(parameters_of(*Unet(UnetOptions{})), 859'520'964);
  EXPECT_EQ(parameters_of(*AutoencoderKl(AutoencoderKlOptions{})), 83'653'863);
  EXPECT_EQ(parameters_of(*AutoencoderTiny(AutoencoderTinyOptions{})), 2'445'063);
}

TEST(NativeNetworks, TakeNoMemoryBeforeTheyAreLoaded) {
  EXPECT_LT(bytes_held_by(*Unet(UnetOptions{})), 4096U);
}

TEST(NativeNetworks, ReportTheirRequirements) {
  const ClipTextModel text(ClipTextOptions{.num_hidden_layers = 1});
  EXPECT_THAT(thrown<ModelError>([&] {
                text->forward(torch::zeros({1, 78}, torch::kInt64));
              }),
              HasSubstr("a length of at most 77; got [1, 78]"));
  for (const int omitted : {-1, 1}) {
    EXPECT_THAT(thrown<ModelError>([&] {
                  text->forward(torch::zeros({1, 7}, torch::kInt64), omitted);
                }),
                HasSubstr("cannot omit " + std::to_string(omitted) + " of the 1 layers of the text encoder"));
  }
  const Unet plain(UnetOptions{});
  const torch::Tensor t = torch::zeros({1});
  const torch::Tensor words = torch::zeros({1, 77, 768});
  EXPECT_THAT(thrown<ModelError>([&] {
                plain->forward(torch::zeros({1, 9, 8, 8}), t, words);
              }),
              HasSubstr("latents (B, 4, H, W); got [1, 9, 8, 8]"));
  EXPECT_THAT(thrown<ModelError>([&] {
                plain->forward(torch::zeros({1, 4, 8, 8}), t, words, torch::zeros({1, 256}));
              }),
              HasSubstr("no input for guidance"));
  const Unet guided(UnetOptions{.time_cond_proj_dim = 256});
  EXPECT_THAT(thrown<ModelError>([&] {
                guided->forward(torch::zeros({1, 4, 8, 8}), t, words);
              }),
              HasSubstr("needs a guidance embedding"));
  const AutoencoderKl autoencoder(AutoencoderKlOptions{});
  EXPECT_THAT(thrown<ModelError>([&] {
                autoencoder->encode(torch::zeros({1, 3, 64, 60}));
              }),
              HasSubstr("multiples of 8; got [1, 3, 64, 60]"));
  EXPECT_THAT(thrown<ModelError>([&] {
                autoencoder->decode(torch::zeros({1, 16, 8, 8}));
              }),
              HasSubstr("latents (B, 4, H, W)"));
}

TEST(Layers, AreRegisteredUnderDottedPaths) {
  torch::nn::Module parent;
  layers::add(parent, "ff.net.0.proj", layers::Linear(2, 3));
  layers::add(parent, "ff.net.2", layers::Linear(3, 2, /*with_bias=*/false));
  EXPECT_THAT(parent.named_parameters().keys(),
              testing::UnorderedElementsAre("ff.net.0.proj.weight", "ff.net.0.proj.bias", "ff.net.2.weight"));
}

}  // namespace
}  // namespace fmboost
