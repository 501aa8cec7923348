#include "import/sampling.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "io/json_reader.h"

namespace fmboost {
namespace {

using nlohmann::json;

// A diffusers scheduler, the sampler that is equivalent or nearest, and the defaults of its class.
struct Scheduler {
  const char* name;
  const char* sampler;
  double beta_start, beta_end;
  const char* beta_schedule;
  bool set_alpha_to_one;
  bool equivalent = true;
};

constexpr Scheduler kSchedulers[] = {
    {"PNDMScheduler", "ddim", 0.0001, 0.02, "linear", true},  // no such sampler here; DDIM runs the same schedule
    {"DDIMScheduler", "ddim", 0.0001, 0.02, "linear", true},
    {"LCMScheduler", "lcm", 0.00085, 0.012, "scaled_linear", true},
    {"EulerDiscreteScheduler", "euler", 0.0001, 0.02, "linear", false},
    {"EulerAncestralDiscreteScheduler", "euler-a", 0.0001, 0.02, "linear", false},
    {"DPMSolverMultistepScheduler", "dpm++2m", 0.0001, 0.02, "linear", false},
    {"TCDScheduler", "tcd", 0.00085, 0.012, "scaled_linear", true},
    {"DDIMParallelScheduler", "ddim", 0.0001, 0.02, "linear", true},
    // Multistep solvers of the same differential equation.
    {"DEISMultistepScheduler", "dpm++2m", 0.0001, 0.02, "linear", false, false},
    {"UniPCMultistepScheduler", "dpm++2m", 0.0001, 0.02, "linear", false, false},
    {"DPMSolverSinglestepScheduler", "dpm++2m", 0.0001, 0.02, "linear", false, false},
    {"DPMSolverSDEScheduler", "dpm++2m", 0.00085, 0.012, "linear", false, false},
    {"SASolverScheduler", "dpm++2m", 0.0001, 0.02, "linear", false, false},
    {"LMSDiscreteScheduler", "euler", 0.0001, 0.02, "linear", false, false},
    {"HeunDiscreteScheduler", "euler", 0.00085, 0.012, "linear", false, false},
    {"KDPM2DiscreteScheduler", "euler", 0.00085, 0.012, "linear", false, false},
    {"KDPM2AncestralDiscreteScheduler", "euler-a", 0.00085, 0.012, "linear", false, false},
    {"IPNDMScheduler", "ddim", 0.0001, 0.02, "linear", false, false},
    {"DDPMScheduler", "ddim", 0.0001, 0.02, "linear", true, false},
    {"DDPMParallelScheduler", "ddim", 0.0001, 0.02, "linear", true, false},
};

// For classes that are not in the list.
constexpr Scheduler kUnknown = {"", "ddim", 0.0001, 0.02, "linear", true, false};

// Parts of the names of schedulers for models that predict neither noise nor v.
constexpr std::string_view kOtherModels[] = {"FlowMatch", "EDM",    "Consistency", "CMStochastic", "VQDiffusion",
                                             "ScoreSde",  "Karras", "RePaint",     "UnCLIP",       "AmusedScheduler",
                                             "CogVideoX"};

// The supported values of each field, as a JSON list, and the samplers whose scheduler has the field. Fields of all
// samplers describe the model: another value is an error. The others describe the way to its image: another value is
// named, and the sampler's own is used.
struct Supported {
  const char* field;
  const char* values;
  std::string_view samplers;
};

constexpr std::string_view kAll = "";

constexpr Supported kSupported[] = {
    {"beta_schedule", R"(["linear", "scaled_linear"])", kAll},
    {"prediction_type", R"(["epsilon", "v_prediction"])", kAll},
    {"trained_betas", "[null]", kAll},
    {"thresholding", "[false]", "ddim lcm tcd dpm++2m"},
    {"clip_sample", "[false]", "lcm tcd"},
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

const Scheduler& scheduler_of(const JsonReader& config) {
  const auto name = config.get_or<std::string>("_class_name", "");
  for (const auto& scheduler : kSchedulers) {
    if (name == scheduler.name) {
      return scheduler;
    }
  }
  for (const auto part : kOtherModels) {
    if (name.find(part) != std::string::npos) {
      config.fail("_class_name", "a scheduler for models that predict noise or v");
    }
  }
  return kUnknown;
}

// A chosen sampler is what the user wants, whatever the scheduler was.
void note_approximation(const JsonReader& config, const Scheduler& scheduler, const SamplingChoices& choices,
                        std::vector<std::string>& notices) {
  if (!scheduler.equivalent && !choices.sampler) {
    const auto name = config.get_or<std::string>("_class_name", "");
    notices.push_back(c10::str(config.where(), ": ",
                               name.empty() ? "no scheduler is named" : "there is no sampler for " + name,
                               "; the default sampler is ", name.empty() ? "" : "the nearest, ", scheduler.sampler,
                               " (use `sampler` to choose another)"));
  }
}

bool has_word(std::string_view words, std::string_view word) {
  return c10::str(" ", words, " ").find(c10::str(" ", word, " ")) != std::string::npos;
}

bool is_overruled(std::string_view field, const SamplingChoices& choices) {
  return (field == "beta_schedule" && choices.beta_schedule) || (field == "prediction_type" && choices.prediction);
}

// Values of fields that no sampler here implements: those of the model are errors, unless flags replace them.
void check_supported(const JsonReader& config, const Scheduler& scheduler, const SamplingChoices& choices,
                     std::vector<std::string>& notices) {
  for (const auto& [field, values, samplers] : kSupported) {
    const json allowed = json::parse(values);
    const auto found = config.value().find(field);
    if (found == config.value().end() || std::find(allowed.begin(), allowed.end(), *found) != allowed.end() ||
        is_overruled(field, choices)) {
      continue;
    }
    if (samplers.empty()) {
      config.fail(field, allowed.size() == 1 ? allowed[0].dump() : "one of " + allowed.dump());
    }
    if (scheduler.equivalent && !choices.sampler && has_word(samplers, scheduler.sampler)) {
      notices.push_back(c10::str(config.where(field), ": ", found->dump(), " is not supported; the sampler ",
                                 scheduler.sampler, " uses ", allowed[0].dump()));
    }
  }
}

bool is_distilled(std::string_view sampler) {
  return sampler == "lcm" || sampler == "tcd";
}

json schedule_of(const JsonReader& config, const Scheduler& scheduler, const SamplingChoices& choices) {
  const bool consistency = is_distilled(scheduler.sampler);
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
  // Without a spacing, each sampler uses its own default.
  const std::string spacing = choices.timestep_spacing.value_or(config.get_or<std::string>("timestep_spacing", ""));
  if (!spacing.empty()) {
    schedule["timestep_spacing"] = spacing;
  }
  if (config.get_or("rescale_betas_zero_snr", false)) {
    schedule["rescale_betas_zero_snr"] = true;
  }
  if (consistency) {
    schedule["original_steps"] = config.get_or("original_inference_steps", 50);
    schedule["timestep_scaling"] = config.get_or("timestep_scaling", 10.0);
  }
  return schedule;
}

}  // namespace

json sampling_fields(const std::string& text, const std::string& origin, bool guidance_embedding,
                     const SamplingChoices& choices, std::vector<std::string>& notices) {
  const JsonReader config = JsonReader::parse(text, origin);
  const Scheduler& scheduler = scheduler_of(config);
  note_approximation(config, scheduler, choices, notices);
  check_supported(config, scheduler, choices, notices);
  const std::string sampler = choices.sampler.value_or(scheduler.sampler);
  const bool consistency = is_distilled(sampler);
  const double consistency_guidance = guidance_embedding ? kEmbeddedGuidance : 1.0;
  const bool spaces_sigmas = has_word("euler dpm++2m", scheduler.sampler) && has_word("euler dpm++2m", sampler);
  return {{"prediction", choices.prediction.value_or(config.get_or<std::string>("prediction_type", "epsilon"))},
          {"schedule", schedule_of(config, scheduler, choices)},
          {"default_sampler", sampler},
          {"default_steps", choices.steps.value_or(consistency ? kConsistencySteps : kSteps)},
          {"default_guidance", choices.guidance.value_or(consistency ? consistency_guidance : kGuidance)},
          {"default_karras", spaces_sigmas && config.get_or("use_karras_sigmas", false)}};
}

std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency, bool zero_snr) {
  json config{{"_class_name", consistency ? "LCMScheduler" : "PNDMScheduler"},
              {"beta_end", 0.012},
              {"beta_schedule", "scaled_linear"},
              {"beta_start", 0.00085},
              {"num_train_timesteps", 1000},
              {"prediction_type", prediction},
              {"set_alpha_to_one", false},
              {"steps_offset", 1}};
  if (zero_snr) {
    config["rescale_betas_zero_snr"] = true;
    config["timestep_spacing"] = "trailing";  // otherwise the step without signal is left out
  }
  return config.dump();
}

}  // namespace fmboost
