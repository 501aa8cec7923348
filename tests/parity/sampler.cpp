#include "fmboost/diffusion/sampler.h"

#include <regex>

#include "fmboost/core/error.h"

#include "kinds.h"

namespace fmboost::parity {
namespace {

struct BaseName {
  std::string_view stored;  ///< what the files call it
  const char* name;         ///< what the library calls it
};

// Longer names stand before those they start with.
constexpr BaseName kBaseNames[] = {
    {"ddim", "ddim"},   {"dpmpp_2m", "dpm++2m"}, {"euler_ancestral", "euler-a"},
    {"euler", "euler"}, {"lcm", "lcm"},          {"tcd", "tcd"},
};

struct SamplerSetup {
  SamplerSetup() { schedule.steps_offset = 1; }  // as Stable Diffusion 1.5 has it

  SamplerOptions options;
  NoiseScheduleOptions schedule;
};

void apply_variant(const std::string& variant, SamplerSetup& setup, const std::string& name) {
  if (variant == "karras") {
    setup.options.karras = true;
  } else if (variant == "eta0" || variant == "eta1") {
    setup.options.eta = variant == "eta1" ? 1.0 : 0.0;
  } else if (variant == "zerosnr") {
    setup.schedule.rescale_betas_zero_snr = true;
  } else if (variant == "linspace" || variant == "leading" || variant == "trailing") {
    setup.schedule.timestep_spacing = parse_enum<TimestepSpacing>(variant);
  } else {
    throw Error("unknown sampler '" + name + "': unknown variant '" + variant + "'");
  }
}

// "dpmpp_2m_trailing_karras" is a base name and variants.
void apply_name(const std::string& name, SamplerSetup& setup) {
  for (const auto& base : kBaseNames) {
    if (name != base.stored && !name.starts_with(std::string(base.stored) + "_")) {
      continue;
    }
    setup.options.name = base.name;
    std::istringstream variants(name.substr(base.stored.size()));
    for (std::string variant; std::getline(variants, variant, '_');) {
      if (!variant.empty()) {
        apply_variant(variant, setup, name);
      }
    }
    return;
  }
  throw Error("unknown sampler '" + name + "'");
}

// From the metadata, else from the name sampler_NAME_PREDICTION_STEPS.
SamplerSetup sampler_setup(const Reference& reference) {
  static const std::regex pattern("sampler_(.+)_(epsilon|v_prediction)_(\\d+)");
  std::smatch parts;
  const std::string stem = reference.stem();
  const bool named = std::regex_match(stem, parts, pattern);
  const auto value = [&](const char* key, std::size_t part) {
    if (const auto stored = reference.metadata(key)) {
      return *stored;
    }
    if (!named) {
      throw Error(std::string("its metadata lacks '") + key + "', and its name is not sampler_NAME_PREDICTION_STEPS");
    }
    return parts[part].str();
  };
  SamplerSetup setup;
  apply_name(value("sampler", 1), setup);
  setup.options.prediction = parse_enum<Prediction>(value("prediction_type", 2));
  setup.options.steps = parse_count(value("steps", 3), "the number of steps");
  return setup;
}

// Stands in for the denoiser, with either prediction type.
torch::Tensor toy_denoiser(const torch::Tensor& x, double t) {
  return 0.6 * torch::tanh(x) + 0.2 * torch::sin(0.01 * t + 3 * x);
}

// Every step on its own: samples shrink from step to step, and a common scale would hide the last ones.
void compare_steps(const std::string& what, const std::vector<torch::Tensor>& steps, const torch::Tensor& reference,
                   Report& report) {
  if (reference.dim() == 0 || reference.size(0) != static_cast<std::int64_t>(steps.size())) {
    report.fail(c10::str(what, ": there are ", steps.size(), ", the reference's shape is ", reference.sizes()));
    return;
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    report.compare(what + "[" + std::to_string(i) + "]", steps[i], reference[static_cast<std::int64_t>(i)],
                   kSamplerTolerance);
  }
}

}  // namespace

void replay_sampler(Reference& reference, Report& report) {
  const SamplerSetup setup = sampler_setup(reference);
  const auto sampler = make_sampler(setup.options, NoiseSchedule(setup.schedule));
  const torch::Tensor noises =
      reference.contains("step_noise") ? reference.input("step_noise") : torch::empty({0}, torch::kFloat32);
  std::int64_t drawn = 0;
  const auto noise = [&] {
    if (drawn == noises.size(0)) {
      throw Error("the sampler draws noise more often than the " + std::to_string(drawn) + " times of the reference");
    }
    return noises[drawn++];
  };
  std::vector<torch::Tensor> inputs, samples;
  const torch::Tensor start = reference.input("input.noise") * sampler->init_noise_sigma();
  const torch::Tensor last = sampler->sample(start, toy_denoiser, noise, [&](const SamplerStep& step) {
    inputs.push_back(step.model_input);
    samples.push_back(step.sample);
  });
  report.compare("init_noise_sigma", sampler->init_noise_sigma(), reference.number("init_noise_sigma"),
                 kSamplerTolerance);
  report.compare("timesteps", torch::tensor(sampler->timesteps(), torch::kFloat64), reference.expected("timesteps"),
                 kSamplerTolerance);
  compare_steps("model_inputs", inputs, reference.expected("model_inputs"), report);
  compare_steps("samples", samples, reference.expected("samples"), report);
  report.compare("last sample", last, reference.expected("samples")[-1], kSamplerTolerance);
  if (drawn != noises.size(0) || sampler->draws_noise() != (drawn > 0)) {
    report.fail(c10::str("step_noise: the sampler draws ", drawn, " times, the reference ", noises.size(0), " times"));
  }
}

}  // namespace fmboost::parity
