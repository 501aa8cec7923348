#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace fmboost {

/// What the user says against a model's own configuration.
struct SamplingChoices {
  std::optional<std::string> sampler;  ///< to be the default: lcm, ddim, euler, euler-a or dpm++2m
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<std::string> prediction;  ///< epsilon or v_prediction
  std::optional<std::string> beta_schedule;
  std::optional<double> beta_start, beta_end;
  std::optional<std::string> timestep_spacing;
};

/// A diffusers scheduler configuration as the fields of bundle.json's denoiser that it decides: prediction, schedule
/// and the defaults of sampler, steps, guidance and sigmas. What the configuration leaves open takes the default of its
/// diffusers class. `text`: the content of scheduler_config.json, `origin` names it in messages.
/// Throws ModelError where it asks for what no sampler here computes.
nlohmann::json sampling_fields(const std::string& text, const std::string& origin, bool guidance_embedding,
                               const SamplingChoices& choices);

/// Stable Diffusion's scheduler_config.json, for files that have none. `consistency`: LCM's.
std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency);

}  // namespace fmboost
