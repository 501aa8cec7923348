#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "fmboost/import/sampling_choices.h"

namespace fmboost {

/// Converts a diffusers scheduler configuration to fields of the denoiser in bundle.json: prediction, schedule and the
/// defaults of sampler, steps, guidance and sigmas. Missing fields take the defaults of their diffusers class. `text`
/// is the content of scheduler_config.json; `origin` names it in messages. A class or
/// a setting without a sampler here gets the nearest, and a line in `notices`; `choices` overrule both. Throws
/// ModelError if the model predicts something else or its schedule is of an unknown form.
nlohmann::json sampling_fields(const std::string& text, const std::string& origin, bool guidance_embedding,
                               const SamplingChoices& choices, std::vector<std::string>& notices);

/// Stable Diffusion's scheduler_config.json, for checkpoints without one. `consistency`: that of LCM.
/// `zero_snr`: with betas rescaled to zero terminal SNR.
std::string stable_diffusion_scheduler(const std::string& prediction, bool consistency, bool zero_snr = false);

}  // namespace fmboost
