#include "import/sampling.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "io/json_reader.h"

namespace fmboost {
namespace {

using nlohmann::json;

// A diffusers scheduler, the equivalent sampler, and the defaults of its class.
struct Scheduler {
  const char* name;
  const char* sampler;
  double beta_start, beta_end;
  const char* beta_schedule;
  bool set_alpha_to_one;
};

constexpr Scheduler kSchedulers[] = {
    {"PNDMScheduler", "ddim", 0.0001, 0.02, "linear", true},  // no such sampler here; DDIM runs the same schedule
    {"DDIMScheduler", "ddim", 0.0001, 0.02, "linear", true},
    {"LCMScheduler", "lcm", 0.00085, 0.012, "scaled_linear", true},
    {"EulerDiscreteScheduler", "euler", 0.0001, 0.02, "linear", false},
    {"EulerAncestralDiscreteScheduler", "euler-a", 0.0001, 0.02, "linear", false},
    {"DPMSolverMultistepScheduler", "dpm++2m", 0.0001, 0.02, "linear", false},
};

// The supported values of each field, as a JSON list, and the samplers whose scheduler has the field. Ignoring another
// value would silently change the images.
struct Supported {
  const char* field;
  const char* values;
  std::string_view samplers;
};

constexpr std::string_view kAll = "ddim lcm euler euler-a dpm++2m";

constexpr Supported kSupported[] = {
    {"beta_schedule", R"(["linear", "scaled_linear"])", kAll},
    {"prediction_type", R"(["epsilon", "v_prediction"])", kAll},
    {"trained_betas", "[null]", kAll},
    {"thresholding", "[false]", "ddim lcm dpm++2m"},
    {"clip_sample", "[false]", "lcm"},
    {"use_exponential_sigmas", "[false]", "euler dpm++2m"},
    {"use_beta_sigmas", "[false]", "euler dpm++2m"},
    {"final_sigmas_type", R"(["zero"])", "euler dpm++2m"},
    {"interpolation_type", R"(["linear"])", "euler"},
    {"timestep_type", R"(["discrete"])", "euler"},
    {"sigma_min", "[null]", "euler"},
    {"sigma_max", "[null]", "euler"},
    {"use_lu_lambdas", "[false]", "dpm++2m"},
    {"use_flow_sigmas", "[false]", "dpm++2m"},
    {"algorithm_type", R"(["dpmsolver++"])", "dpm++2m"},
    {"solver_order", "[2]", "dpm++2m"},
    {"solver_type", R"(["midpoint"])", "dpm++2m"},
    {"euler_at_final", "[false]", "dpm++2m"},
};

// LCM: 4 steps, and if guidance is an input of the network, the default of the authors' pipeline.
constexpr int kConsistencySteps = 4;
constexpr double kEmbeddedGuidance = 8.5;
constexpr int kSteps = 25;
constexpr double kGuidance = 7.5;

// Classes without a sampler of their own, and the known class that is nearest: of the same family, deterministic or
// not.
constexpr std::pair<std::string_view, std::string_view> kNearest[] = {
    {"DEISMultistepScheduler", "DPMSolverMultistepScheduler"},
    {"UniPCMultistepScheduler", "DPMSolverMultistepScheduler"},
    {"DPMSolverSinglestepScheduler", "DPMSolverMultistepScheduler"},
    {"SASolverScheduler", "DPMSolverMultistepScheduler"},
    {"LMSDiscreteScheduler", "EulerDiscreteScheduler"},
    {"HeunDiscreteScheduler", "EulerDiscreteScheduler"},
    {"KDPM2DiscreteScheduler", "EulerDiscreteScheduler"},
    {"KDPM2AncestralDiscreteScheduler", "EulerAncestralDiscreteScheduler"},
    {"DPMSolverSDEScheduler", "EulerAncestralDiscreteScheduler"},
    {"DDPMScheduler", "EulerAncestralDiscreteScheduler"},
    {"TCDScheduler", "LCMScheduler"},
};

const Scheduler* known_scheduler(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kSchedulers), std::end(kSchedulers),
                                         [&](const Scheduler& scheduler) { return name == scheduler.name; });
  return found == std::end(kSchedulers) ? nullptr : found;
}

// That of the class, or the nearest one.
const Scheduler& scheduler_of(const JsonReader& config) {
  const auto name = config.get_or<std::string>("_class_name", "");
  if (name.find("Flow") != std::string::npos || name.find("EDM") != std::string::npos) {
    config.fail("_class_name", "a scheduler of Stable Diffusion 1 or 2; this one is for other models");
  }
  if (const Scheduler* known = known_scheduler(name)) {
    return *known;
  }
  const auto* const nearest =
      std::find_if(std::begin(kNearest), std::end(kNearest), [&](const auto& pair) { return pair.first == name; });
  return *known_scheduler(nearest == std::end(kNearest) ? "DDIMScheduler" : nearest->second);
}

bool has_word(std::string_view words, std::string_view word) {
  return c10::str(" ", words, " ").find(c10::str(" ", word, " ")) != std::string::npos;
}

// `sampler`: that of the file's class. If another one was chosen, only what concerns all of them counts.
void refuse_unsupported(const JsonReader& config, const std::string& sampler, bool overruled) {
  for (const auto& [field, values, samplers] : kSupported) {
    const json allowed = json::parse(values);
    const auto found = config.value().find(field);
    if (has_word(samplers, sampler) && (!overruled || samplers == kAll) && found != config.value().end() &&
        std::find(allowed.begin(), allowed.end(), *found) == allowed.end()) {
      config.fail(field, allowed.size() == 1 ? allowed[0].dump() : "one of " + allowed.dump());
    }
  }
}

json schedule_of(const JsonReader& config, const Scheduler& scheduler, const SamplingChoices& choices) {
  const bool consistency = std::string_view(scheduler.sampler) == "lcm";
  json schedule = {{"beta_start", choices.beta_start.value_or(config.get_or("beta_start", scheduler.beta_start))},
                   {"beta_end", choices.beta_end.value_or(config.get_or("beta_end", scheduler.beta_end))},
                   {"beta_schedule", choices.beta_schedule.value_or(
                                         config.get_or<std::string>("beta_schedule", scheduler.beta_schedule))},
                   {"train_steps", config.get_or("num_train_timesteps", 1000)},
                   // The Stable Diffusion pipelines of diffusers always set the offset to 1; that of LCM does not.
                   {"steps_offset", consistency ? config.get_or("steps_offset", 0) : 1},
                   {"set_alpha_to_one", false}};
  // Only the classes of DDIM and LCM have it.
  if (scheduler.set_alpha_to_one) {
    schedule["set_alpha_to_one"] = config.get_or("set_alpha_to_one", true);
  }
  if (config.get_or("rescale_betas_zero_snr", false)) {
    schedule["rescale_betas_zero_snr"] = true;
  }
  // Without a spacing, each sampler uses its own default.
  const std::string spacing = choices.timestep_spacing.value_or(config.get_or<std::string>("timestep_spacing", ""));
  if (!spacing.empty()) {
    schedule["timestep_spacing"] = spacing;
  }
  if (consistency) {
    schedule["original_steps"] = config.get_or("original_inference_steps", 50);
    schedule["timestep_scaling"] = config.get_or("timestep_scaling", 10.0);
  }
  return schedule;
}

}  // namespace

json sampling_fields(const std::string& text, const std::string& origin, bool guidance_embedding,
                     const SamplingChoices& choices) {
  const JsonReader config = JsonReader::parse(text, origin);
  const Scheduler& scheduler = scheduler_of(config);
  const std::string sampler = choices.sampler.value_or(scheduler.sampler);
  refuse_unsupported(config, scheduler.sampler, sampler != scheduler.sampler);
  const std::string prediction = choices.prediction.value_or(config.get_or<std::string>("prediction_type", "epsilon"));
  if (config.get_or("rescale_betas_zero_snr", false) && prediction == "epsilon") {
    config.fail("rescale_betas_zero_snr",
                "false, since the model predicts noise, which the last step would divide by zero");
  }
  const bool consistency = sampler == "lcm";
  const double consistency_guidance = guidance_embedding ? kEmbeddedGuidance : 1.0;
  const bool spaces_sigmas = has_word("euler dpm++2m", scheduler.sampler) && has_word("euler dpm++2m", sampler);
  return {{"prediction", prediction},
          {"schedule", schedule_of(config, scheduler, choices)},
          {"default_sampler", sampler},
          {"default_steps", choices.steps.value_or(consistency ? kConsistencySteps : kSteps)},
          {"default_guidance", choices.guidance.value_or(consistency ? consistency_guidance : kGuidance)},
          {"default_karras", spaces_sigmas && config.get_or("use_karras_sigmas", false)}};
}

std::string scheduler_notice(const std::string& text, const std::string& origin, const SamplingChoices& choices) {
  const JsonReader config = JsonReader::parse(text, origin);
  const auto name = config.get_or<std::string>("_class_name", "");
  if (choices.sampler || known_scheduler(name) != nullptr) {
    return "";
  }
  return "'" + origin + "' names the scheduler '" + name + "', which has no equivalent here: the nearest sampler, " +
         scheduler_of(config).sampler + ", is the bundle's default (use `sampler` to choose another)";
}

std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency, bool zero_snr) {
  json scheduler{{"_class_name", consistency ? "LCMScheduler" : "PNDMScheduler"},
                 {"beta_end", 0.012},
                 {"beta_schedule", "scaled_linear"},
                 {"beta_start", 0.00085},
                 {"num_train_timesteps", 1000},
                 {"prediction_type", prediction},
                 {"set_alpha_to_one", false},
                 {"steps_offset", 1}};
  if (zero_snr) {
    scheduler["rescale_betas_zero_snr"] = true;
    scheduler["timestep_spacing"] = "trailing";
  }
  return scheduler.dump();
}

}  // namespace fmboost
