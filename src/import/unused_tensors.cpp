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
      {"marks of how the model was trained, which are in bundle.json", {"v_pred", "ztsnr"}},
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

void take_unused_text(Weights& text, std::vector<UnusedTensors>& unused) {
  const auto take = [&](const std::string& name, const char* reason) {
    if (text.erase(name) > 0) {
      unused.push_back({reason, {name}});
    }
  };
  take("text_model.embeddings.position_ids", "position ids, which are not needed");  // they are just 0, 1, 2, ...
  take("text_model.text_projection.weight", "the projection of the text, which only Stable Diffusion XL uses");
  take("text_model.logit_scale", "the scale of CLIP's similarities, which only its training uses");
}

void take_training_settings(nlohmann::json& config, std::vector<UnusedTensors>& unused) {
  UnusedTensors found{"settings of averaging (EMA) in training", {}};
  for (const char* key : {"decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step",
                          "use_ema_warmup", "foreach"}) {
    if (config.erase(key) > 0) {
      found.names.emplace_back(key);
    }
  }
  if (!found.names.empty()) {
    unused.push_back(std::move(found));
  }
}

}  // namespace fmboost
