#include "fmboost/diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"

#include "diffusion/samplers.h"

namespace fmboost {
namespace {

struct Maker {
  const char* name;
  std::unique_ptr<Sampler> (*make)(const SamplerOptions&, const NoiseSchedule&);
  bool karras;  ///< whether it supports Karras noise levels
};

constexpr Maker kMakers[] = {
    {"lcm", make_lcm, false},
    {"tcd", make_tcd, false},
    {"ddim", make_ddim, false},
    {"euler", make_euler, true},
    {"euler-a", make_euler_ancestral, false},
    {"dpm++2m", make_dpmpp_2m, true},
};

// Without signal, noise cannot be subtracted; sigma samplers use a very high finite noise level instead.
void check_terminal_snr(const Sampler& sampler, const SamplerOptions& options, const NoiseSchedule& schedule) {
  const bool divides = options.name == "ddim" || options.name == "lcm" || options.name == "tcd";
  const auto first = static_cast<std::size_t>(sampler.timesteps().front());
  if (divides && options.prediction == Prediction::epsilon && schedule.alphas_bar().at(first) == 0) {
    throw UsageError("the noise schedule leaves no signal at timestep " + std::to_string(first) +
                     " (zero terminal SNR), where the sampler " + options.name +
                     " needs a model that predicts v; use the sampler euler, or `prediction` v_prediction");
  }
}

}  // namespace

const std::vector<std::string>& sampler_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& maker : kMakers) {
      all.emplace_back(maker.name);
    }
    return all;
  }();
  return names;
}

std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  const auto* const found = std::find_if(std::begin(kMakers), std::end(kMakers),
                                         [&](const Maker& maker) { return options.name == maker.name; });
  if (found == std::end(kMakers)) {
    throw_unknown_name("sampler", options.name, sampler_names());
  }
  if (options.steps < 1 || options.steps > schedule.train_steps()) {
    throw UsageError("the number of steps must be from 1 to " + std::to_string(schedule.train_steps()) + ", not " +
                     std::to_string(options.steps));
  }
  if (options.karras && !found->karras) {
    throw UsageError("Karras noise levels work with the samplers euler and dpm++2m only, not with " + options.name);
  }
  auto sampler = found->make(options, schedule);
  check_terminal_snr(*sampler, options, schedule);
  return sampler;
}

std::string start_notice(const SamplerOptions& options, const NoiseSchedule& schedule) {
  constexpr double kHighEnough = 0.7;  // three quarters of the steps, minus what a few steps leave out
  const double first = make_sampler(options, schedule)->timesteps().front();
  if (first >= kHighEnough * schedule.train_steps()) {
    return "";
  }
  return c10::str("the sampler ", options.name, " with ", options.steps, options.steps == 1 ? " step" : " steps",
                  " starts at timestep ", first, " of ", schedule.train_steps() - 1,
                  ", although the sample is pure noise: the image will be gray or blurred; use `timestep_spacing` "
                  "trailing, or another number of `steps`");
}

torch::Tensor Sampler::sample(const torch::Tensor& x, const DenoiseFunction& denoise, const NoiseFunction& noise,
                              const SamplerObserver& observer) {
  reset();
  torch::Tensor current = x;
  const auto total = static_cast<int>(timesteps().size());
  for (int index = 0; index < total; ++index) {
    const double timestep = timesteps()[static_cast<std::size_t>(index)];
    const torch::Tensor input = scale_model_input(current, index);
    current = step(current, denoise(input, timestep), index, noise);
    if (observer) {
      observer({index, total, timestep, input, current});
    }
  }
  return current;
}

CleanAndNoise split_prediction(const torch::Tensor& x, const torch::Tensor& output, double alpha_bar,
                               Prediction prediction) {
  const double alpha = std::sqrt(alpha_bar);
  const double sigma = std::sqrt(1 - alpha_bar);
  if (prediction == Prediction::v) {
    return {alpha * x - sigma * output, alpha * output + sigma * x};
  }
  return {(x - sigma * output) / alpha, output};
}

torch::Tensor clean_from_sigma(const torch::Tensor& x, const torch::Tensor& output, double sigma,
                               Prediction prediction) {
  if (prediction == Prediction::v) {
    return output * (-sigma / std::sqrt(sigma * sigma + 1)) + x / (sigma * sigma + 1);
  }
  return x - sigma * output;
}

}  // namespace fmboost
