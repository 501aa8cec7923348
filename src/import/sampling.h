#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "fmboost/import/sampling_choices.h"

namespace fmboost {

/// Converts a diffusers scheduler configuration to fields of the denoiser in bundle.json: prediction, schedule and the
/// defaults of sampler, steps, guidance and sigmas. Missing fields take the defaults of their diffusers class. `text`
/// is the content of scheduler_config.json; `origin` names it in messages. Throws ModelError if it requires something
/// that no sampler supports.
nlohmann::json sampling_fields(const std::string& text, const std::string& origin, bool guidance_embedding,
                               const SamplingChoices& choices);

/// Stable Diffusion's scheduler_config.json, for checkpoints without one. `consistency`: that of LCM.
std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency);

}  // namespace fmboost
