#include "import/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

json fields(const json& config, bool guidance_embedding = false, const SamplingChoices& choices = {},
            std::vector<std::string>* said = nullptr) {
  std::vector<std::string> notices;
  json result = sampling_fields(config.dump(), "scheduler_config.json", guidance_embedding, choices, notices);
  if (said != nullptr) {
    *said = notices;
  }
  return result;
}

TEST(Sampling, SchedulersBecomeSamplers) {
  const std::pair<const char*, const char*> expected[] = {{"PNDMScheduler", "ddim"},
                                                          {"DDIMScheduler", "ddim"},
                                                          {"LCMScheduler", "lcm"},
                                                          {"EulerDiscreteScheduler", "euler"},
                                                          {"EulerAncestralDiscreteScheduler", "euler-a"},
                                                          {"DPMSolverMultistepScheduler", "dpm++2m"}};
  for (const auto& [name, sampler] : expected) {
    const json result = fields({{"_class_name", name},
                                {"beta_start", 0.001},
                                {"beta_end", 0.01},
                                {"beta_schedule", "scaled_linear"},
                                {"timestep_spacing", "trailing"},
                                {"prediction_type", "v_prediction"}});
    EXPECT_EQ(result["default_sampler"], sampler);
    EXPECT_EQ(result["prediction"], "v_prediction");
    EXPECT_EQ(result["schedule"]["beta_start"], 0.001);
    EXPECT_EQ(result["schedule"]["timestep_spacing"], "trailing");
  }
}

TEST(Sampling, MissingFieldsTakeTheDefaultsOfTheirClass) {
  EXPECT_EQ(fields({{"_class_name", "LCMScheduler"}})["schedule"], json({{"beta_start", 0.00085},
                                                                         {"beta_end", 0.012},
                                                                         {"beta_schedule", "scaled_linear"},
                                                                         {"train_steps", 1000},
                                                                         {"steps_offset", 0},
                                                                         {"set_alpha_to_one", true},
                                                                         {"original_steps", 50},
                                                                         {"timestep_scaling", 10.0}}));
  const json ddim = fields({{"_class_name", "DDIMScheduler"}})["schedule"];
  EXPECT_FALSE(ddim.contains("timestep_spacing"));
  EXPECT_EQ(ddim["set_alpha_to_one"], true);
  EXPECT_EQ(ddim["steps_offset"], 1);  // what the pipeline makes of it
  EXPECT_EQ(fields({{"_class_name", "EulerDiscreteScheduler"}})["schedule"]["set_alpha_to_one"], false);
}

TEST(Sampling, ConsistencyModelsTakeFourStepsAndTheirOwnGuidance) {
  const json plain = fields({{"_class_name", "LCMScheduler"}});
  EXPECT_EQ(plain["default_steps"], 4);
  EXPECT_EQ(plain["default_guidance"], 1.0);
  EXPECT_EQ(fields({{"_class_name", "LCMScheduler"}}, true)["default_guidance"], 8.5);
}

TEST(Sampling, AnotherDefaultSamplerHasItsOwnStepsAndGuidance) {
  const json euler = {{"_class_name", "EulerDiscreteScheduler"}, {"use_karras_sigmas", true}};
  EXPECT_EQ(fields(euler)["default_karras"], true);
  EXPECT_EQ(fields(euler)["default_steps"], 25);
  SamplingChoices choices;
  choices.sampler = "lcm";
  const json chosen = fields(euler, false, choices);
  EXPECT_EQ(chosen["default_steps"], 4);
  EXPECT_EQ(chosen["default_guidance"], 1.0);
  EXPECT_EQ(chosen["default_karras"], false);
}

TEST(Sampling, ChoicesOverrideTheConfiguration) {
  const SamplingChoices choices{.sampler = "dpm++2m",
                                .steps = 9,
                                .guidance = 3.0,
                                .prediction = "v_prediction",
                                .beta_schedule = "linear",
                                .beta_start = 0.002,
                                .beta_end = 0.03,
                                .timestep_spacing = "leading"};
  const json result = fields({{"_class_name", "DDIMScheduler"}}, false, choices);
  EXPECT_EQ(result["default_sampler"], "dpm++2m");
  EXPECT_EQ(result["default_steps"], 9);
  EXPECT_EQ(result["default_guidance"], 3.0);
  EXPECT_EQ(result["prediction"], "v_prediction");
  EXPECT_EQ(result["schedule"]["beta_schedule"], "linear");
  EXPECT_EQ(result["schedule"]["beta_start"], 0.002);
  EXPECT_EQ(result["schedule"]["beta_end"], 0.03);
  EXPECT_EQ(result["schedule"]["timestep_spacing"], "leading");
}

TEST(Sampling, SchedulersWithoutASamplerGetTheNearestWithANotice) {
  const std::pair<const char*, const char*> nearest[] = {{"DEISMultistepScheduler", "dpm++2m"},
                                                         {"UniPCMultistepScheduler", "dpm++2m"},
                                                         {"LMSDiscreteScheduler", "euler"},
                                                         {"HeunDiscreteScheduler", "euler"},
                                                         {"KDPM2AncestralDiscreteScheduler", "euler-a"},
                                                         {"DDPMScheduler", "ddim"},
                                                         {"SchedulerOfTomorrow", "ddim"}};
  for (const auto& [name, sampler] : nearest) {
    std::vector<std::string> notices;
    const json config = {
        {"_class_name", name}, {"beta_start", 0.001}, {"beta_end", 0.01}, {"beta_schedule", "scaled_linear"}};
    const json result = fields(config, false, {}, &notices);
    EXPECT_EQ(result["default_sampler"], sampler);
    EXPECT_EQ(result["schedule"]["beta_start"], 0.001);
    EXPECT_EQ(result["schedule"]["beta_schedule"], "scaled_linear");
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_THAT(notices[0], AllOf(HasSubstr("scheduler_config.json"), HasSubstr(name), HasSubstr(sampler)));
    EXPECT_EQ(fields(config, false, {.sampler = "lcm"}, &notices)["default_sampler"], "lcm");
    EXPECT_TRUE(notices.empty());
  }
  std::vector<std::string> notices;
  EXPECT_EQ(fields(json::object(), false, {}, &notices)["default_sampler"], "ddim");
  ASSERT_EQ(notices.size(), 1U);
}

TEST(Sampling, SettingsWithoutASamplerAreNamedAndOverruled) {
  const std::pair<json, const char*> configs[] = {
      {{{"_class_name", "LCMScheduler"}, {"clip_sample", true}}, "clip_sample"},
      {{{"_class_name", "DPMSolverMultistepScheduler"}, {"algorithm_type", "sde-dpmsolver++"}}, "algorithm_type"}};
  for (const auto& [config, field] : configs) {
    std::vector<std::string> notices;
    fields(config, false, {}, &notices);
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_THAT(notices[0], HasSubstr(field));
    fields(config, false, {.sampler = "euler"}, &notices);
    EXPECT_TRUE(notices.empty());
  }
  const json sample = {{"_class_name", "DDIMScheduler"}, {"prediction_type", "sample"}};
  EXPECT_EQ(fields(sample, false, {.prediction = "epsilon"})["prediction"], "epsilon");
  const json cosine = {{"_class_name", "DDIMScheduler"}, {"beta_schedule", "squaredcos_cap_v2"}};
  EXPECT_EQ(fields(cosine, false, {.beta_schedule = "linear"})["schedule"]["beta_schedule"], "linear");
}

TEST(Sampling, ZeroTerminalSnrIsKept) {
  EXPECT_EQ(fields({{"_class_name", "DDIMScheduler"},
                    {"rescale_betas_zero_snr", true}})["schedule"]["rescale_betas_zero_snr"],
            true);
}

TEST(Sampling, TcdTakesFourStepsWithoutGuidance) {
  const json tcd = fields({{"_class_name", "TCDScheduler"}});
  EXPECT_EQ(tcd["default_sampler"], "tcd");
  EXPECT_EQ(tcd["default_steps"], 4);
  EXPECT_EQ(tcd["default_guidance"], 1.0);
  EXPECT_EQ(tcd["schedule"]["original_steps"], 50);
}

TEST(Sampling, RefusesUnsupportedConfigurations) {
  const std::pair<json, const char*> refused[] = {
      {{{"_class_name", "FlowMatchEulerDiscreteScheduler"}}, "_class_name"},
      {{{"_class_name", "EDMEulerScheduler"}}, "_class_name"},
      {{{"_class_name", "DDIMScheduler"}, {"rescale_betas_zero_snr", "yes"}}, "rescale_betas_zero_snr"},
      {{{"_class_name", "DDIMScheduler"}, {"prediction_type", "sample"}}, "prediction_type"},
      {{{"_class_name", "DDIMScheduler"}, {"trained_betas", {0.1}}}, "trained_betas"},
      {{{"_class_name", "DDIMScheduler"}, {"beta_schedule", "squaredcos_cap_v2"}}, "beta_schedule"},
      {{{"_class_name", "DDIMScheduler"}, {"beta_start", "low"}}, "beta_start"}};
  for (const auto& [config, field] : refused) {
    EXPECT_THAT(thrown<ModelError>([&, config = config] { fields(config); }),
                AllOf(HasSubstr("scheduler_config.json"), HasSubstr(field)));
  }
}

TEST(Sampling, IgnoresFieldsOfOtherClasses) {
  EXPECT_NO_THROW(fields({{"_class_name", "DDIMScheduler"}, {"algorithm_type", "sde-dpmsolver++"}}));
  EXPECT_NO_THROW(fields({{"_class_name", "PNDMScheduler"}, {"clip_sample", true}, {"skip_prk_steps", true}}));
}

TEST(Sampling, FilesWithoutAConfigurationUseStableDiffusions) {
  std::vector<std::string> notices;
  const json plain = sampling_fields(stable_diffusion_scheduler("epsilon", false), "file", false, {}, notices);
  EXPECT_EQ(plain["default_sampler"], "ddim");
  EXPECT_EQ(plain["default_guidance"], 7.5);
  EXPECT_EQ(plain["schedule"]["beta_end"], 0.012);
  EXPECT_EQ(plain["schedule"]["set_alpha_to_one"], false);
  const json consistency = sampling_fields(stable_diffusion_scheduler("v_prediction", true), "file", true, {}, notices);
  EXPECT_EQ(consistency["default_sampler"], "lcm");
  EXPECT_EQ(consistency["prediction"], "v_prediction");
  const json zero =
      sampling_fields(stable_diffusion_scheduler("v_prediction", false, true), "file", false, {}, notices);
  EXPECT_EQ(zero["schedule"]["rescale_betas_zero_snr"], true);
  EXPECT_EQ(zero["schedule"]["timestep_spacing"], "trailing");
  EXPECT_TRUE(notices.empty());
}

}  // namespace
}  // namespace fmboost
