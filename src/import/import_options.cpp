#include <algorithm>
#include <charconv>

#include "fmboost/core/error.h"
#include "fmboost/diffusion/noise_schedule.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/import/import_model.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

void require_exists(const std::string& option, const fs::path& file) {
  if (!fs::exists(file)) {
    throw UsageError(option + ": '" + file.string() + "' does not exist");
  }
}

template <typename T>
void require_in(const std::string& option, const std::optional<T>& value, T low, T high) {
  if (value && !(*value >= low && *value <= high)) {
    throw UsageError(c10::str(option, " must be from ", low, " to ", high, ", got ", *value));
  }
}

void require_one_of(const std::string& option, const std::optional<std::string>& value,
                    const std::vector<std::string>& known) {
  if (value && std::find(known.begin(), known.end(), *value) == known.end()) {
    throw UsageError(option + " must be " + list_choices(known) + ", got '" + *value + "'");
  }
}

}  // namespace

LoraChoice parse_lora_choice(const std::string& text, const std::string& option, double weight) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || fs::exists(text)) {
    return {text, weight};
  }
  LoraChoice choice{text.substr(0, colon), 1.0};
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(begin, end, choice.weight);
  if (error != std::errc() || parsed != end || !(std::abs(choice.weight) <= 1e6)) {
    throw UsageError("`" + option + "` must be FILE or FILE:WEIGHT with a number as weight, got '" + text + "'");
  }
  return choice;
}

void ImportOptions::check() const {
  require_exists("the source", source);
  for (const auto& lora : loras) {
    require_exists("`lora`", lora.file);
  }
  if (!pixel_upscaler.empty()) {
    require_exists("`pixel_upscaler`", pixel_upscaler);
  }
  if (!interpolate.file.empty()) {
    require_exists("`interpolate`", interpolate.file);
    require_in<double>("the weight of `interpolate`", interpolate.weight, 0, 1);
  }
  if (!vae.empty()) {
    require_exists("`vae`", vae);
  }
  if (!cfm.empty()) {
    require_exists("`cfm`", cfm);
  } else if (!cfm_factors.empty() || cfm_noising_step) {
    throw UsageError("`cfm_factor` and `cfm_noising_step` need a coupling network, `cfm`");
  }
  for (const auto factor : cfm_factors) {
    require_in<std::int64_t>("`cfm_factor`", factor, 2, 16);
  }
  require_in("`cfm_noising_step`", cfm_noising_step, -1, 999);
  require_in("`steps`", sampling.steps, 1, 1000);
  require_in("`guidance`", sampling.guidance, 0.0, 1000.0);
  require_in<std::int64_t>("`native_size`", native_size, 8, 8192);
  require_in("`clip_skip`", clip_skip, 1, 100);
  require_one_of("`sampler`", sampling.sampler, sampler_names());
  require_one_of("`prediction`", sampling.prediction, enum_names<Prediction>());
  require_one_of("`timestep_spacing`", sampling.timestep_spacing, enum_names<TimestepSpacing>());
  require_one_of("`beta_schedule`", sampling.beta_schedule, enum_names<BetaSchedule>());
  NoiseScheduleOptions schedule;
  schedule.beta_start = sampling.beta_start.value_or(schedule.beta_start);
  schedule.beta_end = sampling.beta_end.value_or(std::max(schedule.beta_end, schedule.beta_start));
  schedule.check();
}

}  // namespace fmboost
