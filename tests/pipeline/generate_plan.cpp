#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/pipeline/generate.h"

#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::thrown;
using test::TinyBundle;
using testing::AllOf;
using testing::HasSubstr;
using Factors = std::vector<std::int64_t>;

class GeneratePlanTest : public testing::Test {
 protected:
  GeneratePipeline pipeline() const {
    return {std::make_shared<ModelComponents>(files_.open(), Placement{}), nullptr, {}};
  }
  GeneratePlan plan(const GenerateRequest& request) const { return pipeline().plan(request); }
  std::string rejection(const GenerateRequest& request) const {
    return thrown<UsageError>([&] { plan(request); });
  }
  TinyBundle files_;  // native size 32, sides in multiples of 8, couplings of 2x and 4x
};

TEST_F(GeneratePlanTest, UsesTheBundlesDefaults) {
  const GeneratePlan made = plan({.prompt = "red", .size = Size{64, 64}});
  EXPECT_EQ(made.sampler, "ddim");
  EXPECT_EQ(made.steps, 2);
  EXPECT_EQ(made.guidance, 3.0);
  EXPECT_FALSE(made.karras);
  EXPECT_TRUE(made.guided);
  EXPECT_EQ(made.size, (Size{64, 64}));
  EXPECT_EQ(made.chain.low, (Size{32, 32}));
  EXPECT_EQ(made.chain.factors, Factors({2}));
  EXPECT_EQ(made.request.prompt, "red");
}

TEST_F(GeneratePlanTest, FollowsTheRequest) {
  const GeneratePlan made =
      plan({.size = Size{250, 130}, .steps = 7, .guidance = 1.0, .sampler = "euler", .karras = true});
  EXPECT_EQ(made.sampler, "euler");
  EXPECT_EQ(made.steps, 7);
  EXPECT_TRUE(made.karras);
  EXPECT_FALSE(made.guided);
  EXPECT_EQ(made.chain.factors, Factors({4, 2}));
  EXPECT_EQ(made.chain.low, (Size{32, 24}));  // 250 / 8 and 130 / 8, rounded up to eights
}

TEST_F(GeneratePlanTest, DefaultSizeDependsOnCouplings) {
  EXPECT_EQ(plan({}).size, (Size{kDefaultSide, kDefaultSide}));
  EXPECT_EQ(plan({.upscale = false}).size, (Size{32, 32}));
  EXPECT_EQ(plan({.base_size = Size{48, 40}, .upscale = false}).size, (Size{48, 40}));
  files_.manifest.erase("couplings");
  files_.write();
  const GeneratePlan made = plan({});
  EXPECT_EQ(made.size, (Size{32, 32}));
  EXPECT_TRUE(made.chain.factors.empty());
}

TEST_F(GeneratePlanTest, NoUpscalingStopsAtLowResolution) {
  const GeneratePlan made = plan({.size = Size{100, 30}, .upscale = false});
  EXPECT_EQ(made.chain.low, (Size{104, 32}));
  EXPECT_TRUE(made.chain.factors.empty());
  EXPECT_THAT(rejection({.size = Size{64, 64}, .base_size = Size{32, 32}, .upscale = false}),
              HasSubstr("must be equal without upscaling"));
}

TEST_F(GeneratePlanTest, StartsFromAGivenBaseSize) {
  const GeneratePlan made = plan({.size = Size{128, 64}, .base_size = Size{64, 32}});
  EXPECT_EQ(made.chain.low, (Size{64, 32}));
  EXPECT_EQ(made.chain.factors, Factors({2}));
  EXPECT_THAT(rejection({.size = Size{128, 128}, .base_size = Size{33, 32}}), HasSubstr("multiples of 8"));
  EXPECT_THAT(rejection({.size = Size{128, 128}, .base_size = Size{256, 256}}), HasSubstr("is larger than"));
}

TEST_F(GeneratePlanTest, GuidesAboveOneAndNeverWithAnEmbedding) {
  EXPECT_FALSE(plan({.guidance = 0.0}).guided);
  EXPECT_FALSE(plan({.guidance = 1.0}).guided);
  EXPECT_TRUE(plan({.guidance = 1.5}).guided);
  files_.manifest["denoiser"]["guidance_embedding"] = 8;
  files_.write();
  EXPECT_FALSE(plan({.guidance = 7.5}).guided);
  EXPECT_EQ(plan({.guidance = 7.5}).guidance, 7.5);
}

TEST_F(GeneratePlanTest, DefaultKarrasAppliesToTheDefaultSampler) {
  files_.manifest["denoiser"].update({{"default_sampler", "euler"}, {"default_karras", true}});
  files_.write();
  EXPECT_TRUE(plan({}).karras);
  EXPECT_FALSE(plan({.sampler = "dpm++2m"}).karras);
  EXPECT_FALSE(plan({.karras = false}).karras);
}

TEST_F(GeneratePlanTest, RejectsSettingsThatDoNotFitTogether) {
  EXPECT_THAT(rejection({.sampler = "plms"}), HasSubstr("unknown sampler 'plms'"));
  EXPECT_THAT(rejection({.steps = 0}), HasSubstr("from 1 to 1000, not 0"));
  EXPECT_THAT(rejection({.steps = 51, .sampler = "lcm"}), HasSubstr("at most the 50 steps"));
  EXPECT_THAT(rejection({.sampler = "ddim", .karras = true}), HasSubstr("not with ddim"));
  EXPECT_THAT(rejection({.guidance = -1.0}), HasSubstr("`guidance` must be from 0 to 1000"));
  EXPECT_THAT(rejection({.guidance = std::nan("")}), HasSubstr("`guidance` must be from 0 to 1000"));
  EXPECT_THAT(rejection({.size = Size{0, 10}}), HasSubstr("an image of 0x10 is out of range"));
  EXPECT_THAT(rejection({.size = Size{8193, 10}}), HasSubstr("out of range"));
  EXPECT_THAT(rejection({.flow = {.solver = "rk5"}}), HasSubstr("unknown flow solver"));
}

TEST_F(GeneratePlanTest, ChunksAndClipSkipNeedNativeNetworks) {
  EXPECT_THAT(rejection({.long_prompt = LongPrompt::chunk}),
              AllOf(HasSubstr("`long_prompt` chunk needs a native denoiser"), HasSubstr("for 4 tokens")));
  EXPECT_THAT(rejection({.clip_skip = 1}), HasSubstr("has a TorchScript program"));
  auto& text_encoder = files_.manifest["text_encoder"];
  text_encoder["backend"] = "native";
  text_encoder["config"] = {{"model_type", "clip_text_model"}, {"vocab_size", 8},        {"hidden_size", 3},
                            {"intermediate_size", 3},          {"num_hidden_layers", 5}, {"num_attention_heads", 1},
                            {"max_position_embeddings", 4},    {"hidden_act", "gelu"}};
  files_.write();
  EXPECT_EQ(plan({.clip_skip = 5}).request.clip_skip, 5);
  EXPECT_THAT(rejection({.clip_skip = 6}), HasSubstr("from 1 (the text encoder's last layer) to 5 (its first), got 6"));
  EXPECT_THAT(rejection({.clip_skip = 0}), HasSubstr("got 0"));
  text_encoder["config"] = {
      {"_class_name", "WordTransformer"}, {"words", 9}, {"length", 4}, {"width", 3}, {"layers", 1}, {"heads", 1}};
  files_.write();
  EXPECT_THAT(rejection({.clip_skip = 1}), HasSubstr("has a different one"));
}

TEST_F(GeneratePlanTest, UpscalingNeedsCouplings) {
  files_.manifest.erase("couplings");
  files_.write();
  EXPECT_THAT(rejection({.size = Size{64, 64}}), AllOf(HasSubstr("no coupling"), HasSubstr("`upscaler`")));
}

TEST_F(GeneratePlanTest, UsesTheCouplingsOfTheUpscaler) {
  TinyBundle other;
  other.manifest["couplings"].erase(0);  // 4x alone
  other.write();
  const GeneratePipeline both(std::make_shared<ModelComponents>(files_.open(), Placement{}),
                              std::make_shared<ModelComponents>(other.open(), Placement{}), {});
  const GeneratePlan made = both.plan({.size = Size{64, 64}});
  EXPECT_EQ(made.chain.factors, Factors({4}));
  EXPECT_EQ(made.chain.low, (Size{16, 16}));
}

TEST_F(GeneratePlanTest, NeedsADenoiserAndAValidBatchSize) {
  const auto make = [&](std::int64_t batch_size) {
    GeneratePipeline(std::make_shared<ModelComponents>(files_.open(), Placement{}), nullptr,
                     {.batch_size = batch_size});
  };
  EXPECT_THAT(thrown<UsageError>([&] { make(0); }), HasSubstr("`batch_size` must be from 1 to 1024, got 0"));
  EXPECT_THAT(thrown<UsageError>([&] { make(1025); }), HasSubstr("from 1 to 1024, got 1025"));
  for (const char* part : {"tokenizer", "text_encoder", "denoiser"}) {
    files_.manifest.erase(part);
  }
  files_.write();
  EXPECT_THAT(thrown<ModelError>([&] { make(1); }), AllOf(HasSubstr("no denoiser"), HasSubstr("fmboost upscale")));
}

TEST_F(GeneratePlanTest, ResolvesTheCouplingsOfItsChain) {
  const GeneratePlan made = plan({.size = Size{256, 256}, .flow = {.steps = 7, .back_projection = 3}});
  ASSERT_EQ(made.chain.factors, Factors({4, 2}));
  ASSERT_EQ(made.couplings.size(), 2U);
  EXPECT_EQ(made.couplings[0].factor, 4);
  EXPECT_EQ(made.couplings[1].factor, 2);
  for (const auto& coupling : made.couplings) {
    EXPECT_EQ(coupling.steps, 7);
    EXPECT_EQ(coupling.back_projection, 3);
  }
  EXPECT_TRUE(plan({.size = Size{256, 256}, .upscale = false}).couplings.empty());
}

TEST_F(GeneratePlanTest, HoldsTheTokensOfPromptsThatAreUsed) {
  const GeneratePlan guided = plan({.prompt = "red sky", .negative_prompt = "blue"});
  EXPECT_EQ(guided.prompt_tokens.ids, (std::vector<std::int64_t>{2, 6, 0, 0}));
  EXPECT_EQ(guided.negative_tokens.ids, (std::vector<std::int64_t>{3, 0, 0, 0}));
  EXPECT_EQ(guided.text_chunks, 1);
  EXPECT_TRUE(plan({.negative_prompt = "blue", .guidance = 1.0}).negative_tokens.ids.empty());
  EXPECT_THROW(plan({.prompt = "red \xff"}), Error);
}

TEST_F(GeneratePlanTest, PlansTheMemoryOfTheFinalImage) {
  const GeneratePlan made = plan({.size = Size{250, 130}});
  EXPECT_EQ(made.memory.size, (Size{250, 130}));
  EXPECT_GT(made.memory.bytes_per_pixel, 0);
}

TEST_F(GeneratePlanTest, ImageForAnotherBundleIsExternal) {
  EXPECT_EQ(plan({}).source, ImageSource::generated);
  TinyBundle other;
  const GeneratePipeline both(std::make_shared<ModelComponents>(files_.open(), Placement{}),
                              std::make_shared<ModelComponents>(other.open(), Placement{}), {});
  EXPECT_EQ(both.plan({}).source, ImageSource::external);
  EXPECT_EQ(both.plan({}).couplings.at(0).back_projection, 1) << "as for existing images";
  EXPECT_EQ(plan({}).couplings.at(0).back_projection, 0);
}

}  // namespace
}  // namespace fmboost
