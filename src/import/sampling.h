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

/// What to tell about a configuration whose class has no sampler of its own; empty if it has, or one was chosen.
std::string scheduler_notice(const std::string& text, const std::string& origin, const SamplingChoices& choices);

/// Stable Diffusion's scheduler_config.json, for checkpoints without one. `consistency`: that of LCM; `zero_snr`: for
/// models trained with zero terminal SNR.
std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency, bool zero_snr = false);

}  // namespace fmboost
