#include "fmboost/model/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"

#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& text) {
  return thrown<ModelError>([&] { parse_manifest(text, "bundle.json"); });
}

std::string refusal(const json& manifest) {
  return refusal(manifest.dump());
}

Manifest parsed(const json& manifest) {
  return parse_manifest(manifest.dump(), "bundle.json");
}

TEST(Manifest, ReadsEveryComponent) {
  const Manifest manifest = parsed(test::tiny_manifest());
  EXPECT_EQ(manifest.name, "tiny");
  EXPECT_EQ(manifest.license, "MIT");
  EXPECT_EQ(manifest.tokenizer->type, TokenizerType::words);
  EXPECT_EQ(manifest.tokenizer->max_length, 4);
  EXPECT_EQ(manifest.text_encoder->width, 3);
  EXPECT_EQ(manifest.denoiser->prediction, Prediction::epsilon);
  EXPECT_EQ(manifest.denoiser->native_size, 32);
  EXPECT_FALSE(manifest.denoiser->guidance_embedding.has_value());
  EXPECT_EQ(manifest.denoiser->default_guidance, 3.0);
  EXPECT_EQ(manifest.autoencoder->scale, 0.5);
  EXPECT_EQ(manifest.autoencoder->shift, 0.25);
  ASSERT_EQ(manifest.couplings.size(), 2U);
  EXPECT_EQ(manifest.couplings[1].factor, 4);
  EXPECT_EQ(manifest.couplings[0].network.channel_mult, (std::vector<std::int64_t>{1, 1}));
}

TEST(Manifest, MissingFieldsKeepTheirDefaults) {
  json manifest = test::tiny_manifest();
  for (const char* field : {"default_sampler", "default_steps", "default_guidance", "guidance_embedding"}) {
    manifest["denoiser"].erase(field);
  }
  manifest["denoiser"]["schedule"] = json::object();
  for (const char* field : {"solver", "steps", "noising_step", "back_projection"}) {
    manifest["couplings"][0].erase(field);
  }
  manifest["autoencoder"].erase("shift");
  const Manifest read = parsed(manifest);
  EXPECT_EQ(read.denoiser->default_sampler, "ddim");
  EXPECT_EQ(read.denoiser->default_steps, 25);
  EXPECT_EQ(read.denoiser->default_guidance, 7.5);
  EXPECT_EQ(read.denoiser->schedule.beta_schedule, BetaSchedule::scaled_linear);
  EXPECT_EQ(read.denoiser->schedule.timestep_spacing, std::nullopt);
  EXPECT_EQ(read.couplings[0].applies_to, ImageSource::any);
  EXPECT_EQ(read.couplings[0].solver, "euler");
  EXPECT_EQ(read.couplings[0].steps, 4);
  EXPECT_EQ(read.couplings[0].noising_step, 400);
  EXPECT_FALSE(read.couplings[0].noising_step_max.has_value());
  EXPECT_FALSE(read.couplings[0].generated_fidelity.has_value());
  EXPECT_EQ(read.couplings[0].back_projection, 0);
  EXPECT_TRUE(read.examples.empty());
  EXPECT_EQ(read.autoencoder->shift, 0.0);
}

TEST(Manifest, ReadsAClipTokenizer) {
  json manifest = test::tiny_manifest();
  const std::string hash(64, 'a');
  manifest["tokenizer"] = {{"type", "clip-bpe"},
                           {"vocab", "v.json"},
                           {"vocab_sha256", hash},
                           {"merges", "merges.txt"},
                           {"merges_sha256", hash},
                           {"max_length", 77},
                           {"pad", 0}};
  const Manifest read = parsed(manifest);
  EXPECT_EQ(read.tokenizer->vocab.file, "v.json");
  EXPECT_EQ(read.tokenizer->merges.sha256, hash);
  EXPECT_EQ(read.tokenizer->start, 49406);
  EXPECT_EQ(read.tokenizer->pad, 0);
}

TEST(Manifest, MayBeAnUpscalerAlone) {
  json manifest = test::tiny_manifest();
  for (const char* part : {"tokenizer", "text_encoder", "denoiser"}) {
    manifest[part] = nullptr;
  }
  const Manifest read = parsed(manifest);
  EXPECT_FALSE(read.denoiser.has_value());
  EXPECT_EQ(read.couplings.size(), 2U);
}

TEST(Manifest, MayHaveNoCoupling) {
  json manifest = test::tiny_manifest();
  manifest.erase("couplings");
  EXPECT_TRUE(parsed(manifest).couplings.empty());
}

TEST(Manifest, MayNameANestedUpscalingBundle) {
  json manifest = test::tiny_manifest();
  manifest["upscaler"] = "upscaler";
  EXPECT_THAT(refusal(manifest), HasSubstr("move them to the bundle"));
  manifest.erase("couplings");
  EXPECT_EQ(parsed(manifest).upscaler, "upscaler");
  for (const char* outside : {"", "../upscaler", "/upscaler"}) {
    manifest["upscaler"] = outside;
    EXPECT_THAT(refusal(manifest), AllOf(HasSubstr("upscaler"), HasSubstr("inside the bundle's folder"))) << outside;
  }
}

TEST(Manifest, CouplingsNameTheImagesTheyApplyTo) {
  json manifest = test::tiny_manifest();
  manifest["couplings"][0]["applies_to"] = "generated";
  manifest["couplings"][1]["applies_to"] = "external";
  const Manifest read = parsed(manifest);
  EXPECT_EQ(read.couplings[0].applies_to, ImageSource::generated);
  EXPECT_TRUE(read.couplings[0].upscales(ImageSource::generated));
  EXPECT_FALSE(read.couplings[0].upscales(ImageSource::external));
  EXPECT_EQ(read.couplings[1].applies_to, ImageSource::external);
  EXPECT_FALSE(read.couplings[1].upscales(ImageSource::generated));
  EXPECT_TRUE(read.couplings[1].upscales(ImageSource::external));
}

TEST(Manifest, MayHaveFidelityAndExamples) {
  json manifest = test::tiny_manifest();
  manifest["couplings"][0].update({{"noising_step_max", 300}, {"generated_fidelity", 0.25}});
  manifest["examples"] = {"red sky", "blue sea, round"};
  const Manifest read = parsed(manifest);
  EXPECT_EQ(read.couplings[0].noising_step_max, 300);
  EXPECT_EQ(read.couplings[0].generated_fidelity, 0.25);
  EXPECT_EQ(read.examples, (std::vector<std::string>{"red sky", "blue sea, round"}));
}

TEST(Manifest, ListsEveryFileOnce) {
  std::vector<std::string> names;
  for (const auto& file : parsed(test::tiny_manifest()).files()) {
    names.push_back(file.file);
  }
  EXPECT_THAT(names, ElementsAre("words.json", "text_encoder.pt", "denoiser.pt", "encoder.pt", "decoder.pt",
                                 "cfm.safetensors"));
}

TEST(Manifest, DependentComponentsAreRequiredTogether) {
  for (const char* part : {"tokenizer", "text_encoder", "denoiser"}) {
    json manifest = test::tiny_manifest();
    manifest.erase(part);
    EXPECT_THAT(refusal(manifest), HasSubstr("tokenizer, text_encoder and denoiser together")) << part;
  }
  json manifest = test::tiny_manifest();
  manifest.erase("autoencoder");
  EXPECT_THAT(refusal(manifest), HasSubstr("a bundle needs an autoencoder"));
  EXPECT_THAT(refusal(json{{"format", "fmboost-bundle"}, {"version", 1}, {"name", "nothing"}}), HasSubstr("needs a"));
}

TEST(Manifest, ComparesChannelsAndFactors) {
  json manifest = test::tiny_manifest();
  manifest["denoiser"]["latent_channels"] = 16;
  EXPECT_THAT(refusal(manifest), HasSubstr("the denoiser works on 16 latent channels, the autoencoder on 4"));
  manifest = test::tiny_manifest();
  manifest["denoiser"]["size_multiple"] = 6;
  EXPECT_THAT(refusal(manifest), HasSubstr("size_multiple must be a multiple of autoencoder.factor"));
  manifest = test::tiny_manifest();
  manifest["couplings"][1]["network"]["in_channels"] = 12;
  EXPECT_THAT(refusal(manifest), AllOf(HasSubstr("couplings[1] maps 12 channels to 4"), HasSubstr("other latents")));
  manifest["couplings"][1]["network"]["in_channels"] = 8;
  manifest["couplings"][1]["network"]["out_channels"] = 8;
  EXPECT_THAT(refusal(manifest), HasSubstr("couplings[1] maps 8 channels to 8"));
}

TEST(Manifest, AcceptsCouplingsWithoutContext) {
  json manifest = test::tiny_manifest();
  for (auto& coupling : manifest["couplings"]) {
    coupling["network"]["in_channels"] = 4;
  }
  EXPECT_EQ(parsed(manifest).couplings[0].network.in_channels, 4);
}

TEST(Manifest, CouplingsThatShareAFileMustDescribeOneNetwork) {
  json manifest = test::tiny_manifest();
  manifest["couplings"][1]["network"]["num_heads"] = 2;
  manifest["couplings"][1]["network"]["dim_head"] = 4;
  EXPECT_THAT(refusal(manifest), HasSubstr("couplings[0] and couplings[1] both name 'cfm.safetensors'"));
  manifest["couplings"][1]["file"] = "other.safetensors";
  EXPECT_EQ(parsed(manifest).couplings[1].network.num_heads, 2);
}

TEST(Manifest, DefaultsMustBeConsistent) {
  json manifest = test::tiny_manifest();
  manifest["denoiser"].update({{"default_sampler", "lcm"}, {"default_steps", 51}});
  EXPECT_THAT(refusal(manifest), AllOf(HasSubstr("denoiser.default_sampler"), HasSubstr("at most the 50 steps")));
  manifest["denoiser"].update({{"default_sampler", "euler"}, {"default_karras", true}});
  EXPECT_TRUE(parsed(manifest).denoiser->default_karras);
}

TEST(Manifest, NonJsonIsRefused) {
  EXPECT_THAT(refusal(std::string()), HasSubstr("'bundle.json' is not valid JSON"));
  EXPECT_THAT(refusal(std::string(R"({"format": )")), HasSubstr("is not valid JSON (byte 12)"));
  EXPECT_THAT(refusal(std::string("[1]")), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(refusal(std::string("{\"name\": \"\xff\"}")), HasSubstr("is not valid JSON"));
  EXPECT_THAT(refusal(std::string(R"({"version": 1e999})")), HasSubstr("a number that is out of range"));
}

TEST(Manifest, RefusesHostileNesting) {
  std::string deep = R"({"format": )";
  deep.append(1'000'000, '[').append(1'000'000, ']').append("}");
  EXPECT_THAT(refusal(deep), HasSubstr("nested too deeply"));
}

TEST(Manifest, LongValuesAreShortenedInErrors) {
  json manifest = test::tiny_manifest();
  manifest["license"] = json::array({std::string(100000, 'x')});
  EXPECT_LT(refusal(manifest).size(), 400U);
}

}  // namespace
}  // namespace fmboost
