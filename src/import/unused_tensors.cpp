#include <algorithm>

#include "import/imported_model.h"

namespace fmboost {
namespace {

struct Leftover {
  const char* reason;
  std::vector<const char*> prefixes;  ///< whole names, or prefixes that end with a dot
};

const std::vector<Leftover>& leftovers() {
  static const std::vector<Leftover> kLeftovers = {
      {"averaged copies (EMA); the plain weights are used", {"model_ema."}},
      {"training losses", {"first_stage_model.loss.", "loss."}},
      {"the noise schedule, which is in bundle.json",
       {"betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
        "posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
        "logvar", "lvlb_weights", "denoiser.sigmas", "scale_factor"}},
      {"marks of the kind of prediction, which is in bundle.json", {"v_pred", "ztsnr", "scaled_fp8"}},
      {"the text projection and its scale, which only Stable Diffusion XL uses",
       {"cond_stage_model.logit_scale", "cond_stage_model.text_projection", "text_encoder.logit_scale"}},
      {"trainer state", {"global_step", "epoch"}},
  };
  return kLeftovers;
}

bool matches(const std::string& name, const std::string& pattern) {
  return pattern.ends_with('.') ? name.starts_with(pattern) : name == pattern;
}

}  // namespace

void take_unused(Weights& tensors, std::vector<UnusedTensors>& unused) {
  for (const auto& [reason, prefixes] : leftovers()) {
    UnusedTensors found{reason, {}};
    for (auto at = tensors.begin(); at != tensors.end();) {
      const bool taken = std::any_of(prefixes.begin(), prefixes.end(),
                                     [&](const char* pattern) { return matches(at->first, pattern); });
      if (taken) {
        found.names.push_back(at->first);
        at = tensors.erase(at);
      } else {
        ++at;
      }
    }
    if (!found.names.empty()) {
      unused.push_back(std::move(found));
    }
  }
}

}  // namespace fmboost
