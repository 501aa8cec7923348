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

json fields(const json& config, bool guidance_embedding = false, const SamplingChoices& choices = {}) {
  return sampling_fields(config.dump(), "scheduler_config.json", guidance_embedding, choices);
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

TEST(Sampling, RefusesUnsupportedConfigurations) {
  const std::pair<json, const char*> refused[] = {
      {{{"_class_name", "FlowMatchEulerDiscreteScheduler"}}, "_class_name"},
      {{{"_class_name", "DDIMScheduler"}, {"rescale_betas_zero_snr", true}}, "rescale_betas_zero_snr"},
      {{{"_class_name", "DDIMScheduler"}, {"prediction_type", "sample"}}, "prediction_type"},
      {{{"_class_name", "DDIMScheduler"}, {"trained_betas", {0.1}}}, "trained_betas"},
      {{{"_class_name", "DDIMScheduler"}, {"beta_schedule", "squaredcos_cap_v2"}}, "beta_schedule"},
      {{{"_class_name", "DDIMScheduler"}, {"beta_start", "low"}}, "beta_start"},
      {{{"_class_name", "LCMScheduler"}, {"clip_sample", true}}, "clip_sample"},
      {{{"_class_name", "DPMSolverMultistepScheduler"}, {"algorithm_type", "sde-dpmsolver++"}}, "algorithm_type"}};
  for (const auto& [config, field] : refused) {
    EXPECT_THAT(thrown<ModelError>([&, config = config] { fields(config); }),
                AllOf(HasSubstr("scheduler_config.json"), HasSubstr(field)));
  }
}

TEST(Sampling, UnknownSchedulersBecomeTheNearestOneWithANotice) {
  const std::pair<const char*, const char*> expected[] = {{"DEISMultistepScheduler", "dpm++2m"},
                                                          {"UniPCMultistepScheduler", "dpm++2m"},
                                                          {"HeunDiscreteScheduler", "euler"},
                                                          {"KDPM2AncestralDiscreteScheduler", "euler-a"},
                                                          {"TCDScheduler", "lcm"},
                                                          {"SchedulerOfTomorrow", "ddim"}};
  for (const auto& [name, sampler] : expected) {
    const json config{{"_class_name", name}, {"beta_start", 0.00085}, {"beta_end", 0.012}};
    EXPECT_EQ(fields(config)["default_sampler"], sampler);
    EXPECT_EQ(fields(config)["schedule"]["beta_start"], 0.00085);
    EXPECT_THAT(scheduler_notice(config.dump(), "file", {}), AllOf(HasSubstr(name), HasSubstr(sampler)));
    SamplingChoices choices;
    choices.sampler = "euler";
    EXPECT_EQ(fields(config, false, choices)["default_sampler"], "euler");
    EXPECT_EQ(scheduler_notice(config.dump(), "file", choices), "");
  }
  EXPECT_EQ(scheduler_notice(R"({"_class_name": "DDIMScheduler"})", "file", {}), "");
}

TEST(Sampling, AChosenSamplerOverrulesTheClass) {
  SamplingChoices choices;
  choices.sampler = "euler";
  const json config{{"_class_name", "DPMSolverMultistepScheduler"}, {"algorithm_type", "sde-dpmsolver++"}};
  EXPECT_EQ(fields(config, false, choices)["default_sampler"], "euler");
}

TEST(Sampling, ZeroTerminalSnrIsKeptForModelsThatPredictV) {
  const json config{
      {"_class_name", "DDIMScheduler"}, {"rescale_betas_zero_snr", true}, {"prediction_type", "v_prediction"}};
  EXPECT_EQ(fields(config)["schedule"]["rescale_betas_zero_snr"], true);
  const json marked = sampling_fields(stable_diffusion_scheduler("v_prediction", false, true), "file", false, {});
  EXPECT_EQ(marked["schedule"]["rescale_betas_zero_snr"], true);
  EXPECT_EQ(marked["schedule"]["timestep_spacing"], "trailing");
}

TEST(Sampling, IgnoresFieldsOfOtherClasses) {
  EXPECT_NO_THROW(fields({{"_class_name", "DDIMScheduler"}, {"algorithm_type", "sde-dpmsolver++"}}));
  EXPECT_NO_THROW(fields({{"_class_name", "PNDMScheduler"}, {"clip_sample", true}, {"skip_prk_steps", true}}));
}

TEST(Sampling, FilesWithoutAConfigurationUseStableDiffusions) {
  const json plain = sampling_fields(stable_diffusion_scheduler("epsilon", false), "file", false, {});
  EXPECT_EQ(plain["default_sampler"], "ddim");
  EXPECT_EQ(plain["default_guidance"], 7.5);
  EXPECT_EQ(plain["schedule"]["beta_end"], 0.012);
  EXPECT_EQ(plain["schedule"]["set_alpha_to_one"], false);
  const json consistency = sampling_fields(stable_diffusion_scheduler("v_prediction", true), "file", true, {});
  EXPECT_EQ(consistency["default_sampler"], "lcm");
  EXPECT_EQ(consistency["prediction"], "v_prediction");
}

}  // namespace
}  // namespace fmboost
